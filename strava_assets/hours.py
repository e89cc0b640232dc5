"""The hour, its partition key, and windows of hours with the text that stands for one.

An hour is a timezone-aware datetime in UTC with no minutes. How it is written in the bucket says `raw/keys.py`. This
module knows neither Dagster nor any server.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)

PARTITION_KEY_FORMAT = "%Y-%m-%d-%H:%M"
"""Dagster's own format of hourly partition keys, e.g. `2026-11-22-13:00`."""


@dataclass(frozen=True, order=True)
class Window:
    """A half-open span of time, `start` included, `end` not; both aware, in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def is_single_hour(self) -> bool:
        """Whether it is one hour long."""
        return self.end - self.start == HOUR

    @property
    def last_hour(self) -> datetime:
        """The start of its last hour."""
        return self.end - HOUR

    @property
    def middle(self) -> datetime:
        """The hour at which the window is cut in halves; of an odd number of hours the second one has more."""
        return self.start + (self.end - self.start) // HOUR // 2 * HOUR

    def overlaps(self, other: "Window") -> bool:
        """Whether any part of the other window lies in this one."""
        return self.start < other.end and other.start < self.end

    def cuts(self, other: "Window") -> bool:
        """Whether a part of the other window, but not all of it, lies in this one."""
        return self.overlaps(other) and not self.covers(other)

    def covers(self, other: "Window") -> bool:
        """Whether all of the other window lies in this one."""
        return self.start <= other.start and other.end <= self.end

    def hours(self) -> Iterator[datetime]:
        """Every whole hour of the window, oldest first."""
        hour = floor_to_hour(self.start)
        while hour < self.end:
            yield hour
            hour += HOUR

    def span_of_missing(self, done: Container[datetime]) -> "Window | None":
        """From the first to the last of its hours that is not done; None where all are."""
        missing = [hour for hour in self.hours() if hour not in done]
        return Window.of(missing[0], missing[-1]) if missing else None

    @classmethod
    def of(cls, first_hour: datetime, last_hour: datetime) -> "Window":
        """The window from the start of `first_hour` to the end of `last_hour`."""
        return cls(first_hour, last_hour + HOUR)

    @classmethod
    def fromisoformat(cls, text: str) -> "Window":
        """The window that `isoformat` wrote."""
        return cls(*map(datetime.fromisoformat, text.split("/")))

    def isoformat(self) -> str:
        """Both ends as ISO 8601 has it, by which a window is stored: `2026-11-22T13:00:00+00:00/2026-...`."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    def __str__(self) -> str:
        last = self.last_hour
        return partition_key(self.start) + ("" if last <= self.start else f"...{partition_key(last)}")


def outside(moments: Iterable[datetime], spans: Iterable[Window]) -> set[datetime]:
    """The moments at which something may be cut so that no span is: in place of one inside a span, the span's ends."""
    kept = set(moments)
    # Spans that overlap are one: the end of the first lies inside the second.
    for span in merge_into_windows((hour for each in spans for hour in each.hours()), max_gap=timedelta(0)):
        inside = {moment for moment in kept if span.start < moment < span.end}
        if inside:
            kept = kept - inside | {span.start, span.end}
    return kept


def floor_to_hour(moment: datetime) -> datetime:
    """The UTC hour in which an aware `moment` lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def partition_key(hour: datetime) -> str:
    """The Dagster partition key of an hour: `2026-11-22-13:00`."""
    return hour.strftime(PARTITION_KEY_FORMAT)


def from_partition_key(key: str) -> datetime:
    """The hour that a Dagster partition key names; ValueError if it is not one."""
    return datetime.strptime(key, PARTITION_KEY_FORMAT).replace(tzinfo=UTC)


def merge_into_windows(hours: Iterable[datetime], *, max_gap: timedelta, whole: Sequence[Window] = ()) -> list[Window]:
    """The fewest windows that cover all `hours`, joining those at most `max_gap` apart, oldest first.

    A run costs seconds and an hour that did not need it costs milliseconds, so nearby hours share one. Of a span in
    `whole` either all is covered, or nothing.
    """
    wanted = set(hours)
    windows: list[Window] = []
    for hour in sorted(wanted):
        if windows and hour - windows[-1].end <= max_gap:
            windows[-1] = Window(windows[-1].start, hour + HOUR)
        else:
            windows.append(Window.of(hour, hour))
    cut = {hour for span in whole if any(each.cuts(span) for each in windows) for hour in span.hours()}
    return merge_into_windows(wanted | cut, max_gap=max_gap, whole=whole) if cut else windows
