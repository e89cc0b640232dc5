"""PendingEvents that wait in Redis: events that are new, and events to look at again later.

They are taken at least once. What one tick of the sensor dealt with is forgotten only by the next one, which
knows it from the cursor: Dagster saves that after the runs which the tick requested.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state.delayed_queue import DelayedQueue
from strava_assets.webhooks.events import Event, EventStream

LATER_KEY = "strava:events:later"

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (20, 40, 60, 120, 300, 600))
"""When a hint is looked at again: Strava lists an upload once it is processed, which can take minutes.
Afterwards the sensor `strava_changes` is soon enough."""

MAX_TAKEN = 1000
"""PendingEvents of each kind that are taken at once."""


@dataclass(frozen=True)
class PendingEvent:
    """An event, None where what lies in Redis is none; how often it was looked at; and where it waits."""

    event: Event | None
    tries: int
    place: str
    """An entry's id in the stream, or the whole entry among those to look at again."""
    is_new: bool


@dataclass
class Handled:
    """What was dealt with, as the sensor's cursor keeps it."""

    at: datetime
    last_new: str | None = None
    again: list[str] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    """Windows that were asked for, and for which runs were requested."""

    def add(self, hint: PendingEvent) -> None:
        """The hint is dealt with. New ones must be added in their order."""
        if hint.is_new:
            self.last_new = hint.place
        else:
            self.again.append(hint.place)

    def to_cursor(self) -> str:
        """The text for the cursor."""
        windows = [[window.start.isoformat(), window.end.isoformat()] for window in self.windows]
        said = {"at": self.at.isoformat(), "last_new": self.last_new, "again": self.again, "windows": windows}
        return json.dumps(said)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Handled | None":
        """What the cursor says; None where it says nothing, as at the first tick."""
        try:
            said = json.loads(cursor or "")
            windows = [Window(*map(datetime.fromisoformat, window)) for window in said["windows"]]
            return cls(datetime.fromisoformat(said["at"]), said["last_new"], said["again"], windows)
        except (ValueError, TypeError, KeyError):
            return None


class PendingEvents:
    """The hints in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._stream = EventStream(redis)
        self._again = DelayedQueue(redis, LATER_KEY)

    def waiting(self, now: datetime) -> list[PendingEvent]:
        """The hints to deal with now: those to look at again, the longest due first, then new ones in their order."""
        again = [_postponed(entry) for entry in self._again.due(now, MAX_TAKEN)]
        return again + [
            PendingEvent(event, 0, entry_id, is_new=True) for entry_id, event in self._stream.waiting(MAX_TAKEN)
        ]

    def look_again(self, hint: PendingEvent, now: datetime) -> bool:
        """Have the hint looked at again after a pause; False where that was done often enough."""
        if hint.event is None or hint.tries >= len(PAUSES):
            return False
        entry = json.dumps({"event": asdict(hint.event), "tries": hint.tries + 1}, separators=(",", ":"))
        self._again.postpone(entry, now + PAUSES[hint.tries])
        return True

    def settle(self, handled: Handled) -> None:
        """Forget what was dealt with. Doing so again is harmless."""
        if handled.last_new:
            self._stream.settle(handled.last_new)
        for entry in handled.again:
            self._again.settle(entry, handled.at)

    def forget(self, athlete_id: int) -> int:
        """Remove every hint about an athlete; how many there were."""
        entries = self._again.all()
        theirs = [entry for entry in entries if (event := _postponed(entry).event) and event.owner_id == athlete_id]
        for entry in theirs:
            self._again.remove(entry)
        return len(theirs) + self._stream.forget(athlete_id)


def activities_of(hints: Iterable[PendingEvent]) -> dict[int, set[int]]:
    """Of each athlete, the activities that hints are about."""
    ids: dict[int, set[int]] = {}
    for hint in hints:
        if hint.event and hint.event.object_type == "activity":
            ids.setdefault(hint.event.owner_id, set()).add(hint.event.object_id)
    return ids


def _postponed(entry: str) -> PendingEvent:
    try:
        said = json.loads(entry)
        return PendingEvent(Event(**said["event"]), int(said["tries"]), entry, is_new=False)
    except (ValueError, TypeError, KeyError):
        return PendingEvent(None, 0, entry, is_new=False)
