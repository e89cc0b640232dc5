"""What of an athlete's history lies before the first partition, and so is neither imported nor compared."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from strava_assets.errors import StravaAssetsError
from strava_assets.hours import Window
from strava_assets.strava.client import StravaClient
from strava_assets.strava.pagination import ALL_TIME, PER_PAGE
from strava_assets.strava.tokens import Athlete


@dataclass(frozen=True)
class BeforeStartDate:
    """How many activities start before `start`, at least, and the UTC date of the first."""

    count: int
    first: date
    start: date
    is_all: bool = True
    """Whether there are no more than `count`."""

    @property
    def hours(self) -> int:
        """How many partitions more there are with the date that includes everything."""
        return (self.start - self.first).days * 24

    def __str__(self) -> str:
        number = f"{self.count:,}{'' if self.is_all else ' or more'}"
        start, are = (
            ("activity starts", "is") if (self.count, self.is_all) == (1, True) else ("activities start", "are")
        )
        return (
            f"{number} {start} before STRAVA_START_DATE={self.start} and {are} left out of imports and comparisons. "
            f"To include everything, set STRAVA_START_DATE={self.first} in .env, restart, and run: strava-assets import"
            f". Dagster then has {self.hours:,} more hours of each asset; an import records those of years with "
            "activities."
        )


def of_starts(
    starts: Iterable[datetime | None], start: datetime, oldest_kept: datetime | None = None
) -> BeforeStartDate | None:
    """What of a whole history lies before `start`, and would be kept by retention; None where nothing does."""
    return _within(starts, _before(start, oldest_kept))


def before_start_date(client: StravaClient, athlete: Athlete, window: Window) -> BeforeStartDate | None:
    """What starts in `window`, which ends where the partitions begin; None where nothing does.

    One API request, and two more where it brings a full page. Raises what StravaClient.activities does.
    """
    found = _within((each.start for each in client.latest(athlete, window.end)), window)
    if found is None or found.count < PER_PAGE:
        return found
    listed = (each.activity.start for page in client.activities(athlete, window) for each in page.activities)
    oldest = next(filter(None, listed), None)
    return replace(found, first=_utc_date(oldest) if oldest else found.first, is_all=False)


def all_before_start_date(client: StravaClient, start: datetime, oldest_kept: datetime | None = None) -> list[str]:
    """A sentence for each athlete with activities before `start` that the retention setting would keep."""
    window = _before(start, oldest_kept)
    if window.start >= window.end:
        return []
    lines = []
    for athlete in client.athletes():
        try:
            if found := before_start_date(client, athlete, window):
                lines.append(f"Athlete {athlete.id}: {found}")
        except StravaAssetsError as error:
            lines.append(
                f"Athlete {athlete.id}: whether activities start before STRAVA_START_DATE={start.date()} is not known: "
                f"{error}"
            )
    return lines


def _before(start: datetime, oldest_kept: datetime | None) -> Window:
    return Window(max(ALL_TIME.start, oldest_kept or ALL_TIME.start), start)


def _within(starts: Iterable[datetime | None], window: Window) -> BeforeStartDate | None:
    found = [start for start in starts if start and start in window]
    return BeforeStartDate(len(found), _utc_date(min(found)), window.end.date()) if found else None


def _utc_date(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
