"""What differs between Strava's listing and the mirror: pure set arithmetic, and the query behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from strava_assets.hours import HOUR, Window, floor_to_hour, partition_key
from strava_assets.raw.activity import RawActivity, activity_key


class Known(NamedTuple):
    """Where an activity is, and what it was like, on one of the two sides."""

    hour: datetime
    digest: str | None
    is_dated: bool = True
    """False where Strava returned no start at all, so that the hour is that of the activity listed before it."""
    until: datetime | None = None
    """Of an activity without a start, the hour of the one listed after it: it lies somewhere in between."""

    @property
    def hours(self) -> set[datetime]:
        """The hours of which one has to list it."""
        return set(Window.of(self.hour, self.until).hours()) if self.until else {self.hour}


@dataclass
class Differences:
    """Activities, by id (or, where they have none, by digest), whose hours must be fetched again."""

    new: dict[int | str, set[datetime]] = field(default_factory=dict)
    changed: dict[int | str, set[datetime]] = field(default_factory=dict)
    moved: dict[int | str, set[datetime]] = field(default_factory=dict)
    gone: dict[int | str, set[datetime]] = field(default_factory=dict)
    unmirrored: dict[int | str, set[datetime]] = field(default_factory=dict)
    """Not an activity but an hour, by its partition key: the mirror was not made from its raw object."""

    @property
    def hours(self) -> set[datetime]:
        """Every hour that has to be fetched again."""
        return {hour for kind in self.by_kind().values() for hours in kind.values() for hour in hours}

    def leave_out(self, is_unknown: Callable[[datetime], bool]) -> None:
        """Drop differences in hours of which nothing is known."""
        for name, kind in self.by_kind().items():
            setattr(self, name, {key: hours for key, hours in kind.items() if not any(map(is_unknown, hours))})

    def by_kind(self) -> dict[str, dict[int | str, set[datetime]]]:
        """The kinds of difference, by name."""
        return dict(vars(self))

    def __str__(self) -> str:
        return ", ".join(f"{len(found)} {kind}" for kind, found in self.by_kind().items() if found) or "nothing differs"


def known(activity: RawActivity, hour: datetime) -> tuple[int | str, Known]:
    """How an activity of Strava's listing is known: its key, and its hour and digest."""
    return activity_key(activity), Known(hour, activity.digest, activity.start is not None)


def bounded(listed: dict[int | str, Known], end: datetime) -> dict[int | str, Known]:
    """The listing, in Strava's order, with activities without a start bounded by those listed after them."""
    later = floor_to_hour(end - HOUR)
    known_in_reverse: list[tuple[int | str, Known]] = []
    for key, there in reversed(listed.items()):
        known_in_reverse.append((key, there if there.is_dated else there._replace(until=max(later, there.hour))))
        later = there.hour if there.is_dated else later
    return dict(reversed(known_in_reverse))


def differences(listed: dict[int | str, Known], stored: dict[int | str, Known]) -> Differences:
    """What must be fetched again so that `stored` becomes `listed`. Both cover the same time."""
    found = Differences()
    for key, there in listed.items():
        here = stored.get(key)
        if here is None:
            found.new[key] = there.hours
        elif there.is_dated and here.hour != there.hour:
            found.moved[key] = {here.hour, there.hour}
        elif here.digest != there.digest:
            found.changed[key] = there.hours | {here.hour}
    for key, here in stored.items():
        if key not in listed:
            found.gone[key] = {here.hour}
    return found


def undated(listed: dict[int | str, Known], stored: dict[int | str, Known]) -> list[Window]:
    """Of each activity that is listed without a start, the span it may lie in on either side."""
    return [
        Window.of(min(there.hour, here.hour), max(there.until or there.hour, here.hour))
        for key, there in listed.items()
        if not there.is_dated
        for here in [stored.get(key, there)]
    ]


def unmirrored(
    objects: Mapping[datetime, str | None], mirrored: Mapping[datetime, str | None]
) -> dict[int | str, set[datetime]]:
    """Hours whose raw object is not the one that was mirrored, by partition key.

    A run that died between the bucket and the table leaves such hours, and what was written then may no
    longer be true; so does an object that somebody deleted, changed or put back.
    """
    absent = object()
    return {
        partition_key(hour): {hour}
        for hour in objects.keys() | mirrored.keys()
        if objects.get(hour, absent) != mirrored.get(hour, absent)
    }
