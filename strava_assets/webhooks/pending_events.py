"""Events that wait in Redis: those that are new, and those to look up again later.

They are taken at least once: what a tick of the sensor dealt with is deleted at its end, after the hours to fetch are
in the refetch queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.delayed_queue import DelayedQueue, Due
from strava_assets.webhooks.events import Event, EventStream

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (20, 40, 60, 120, 300, 600))
"""When an event is looked up again: Strava lists an upload once it is processed, which can take minutes.
Afterwards the sensor `strava_changes` is soon enough."""

MAX_TAKEN = 1000
"""Events of each kind that are taken at once."""

MAX_LATER = 1000
"""Events that wait to be looked up again at most; the comparisons find what further ones announced."""


@dataclass(frozen=True)
class PendingEvent:
    """An event, None where what lies in Redis is none; how often it was looked up; and where it waits."""

    event: Event | None
    tries: int
    place: str | Due
    """An entry's id in the stream, or the entry among those to look up again."""


class PendingEvents:
    """The events in Redis. Methods raise ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._stream = EventStream(redis)
        self._later = DelayedQueue(redis, keys.EVENTS_LATER, MAX_LATER)

    def waiting(self, now: datetime) -> list[PendingEvent]:
        """The events to deal with now: those to look up again, the longest due first, then new ones in their order."""
        later = [_looked_up(due) for due in self._later.due(now, MAX_TAKEN)]
        return later + [PendingEvent(event, 0, entry_id) for entry_id, event in self._stream.waiting(MAX_TAKEN)]

    def look_up_later(self, pending: PendingEvent, now: datetime, pauses: tuple[timedelta, ...] = PAUSES) -> bool:
        """Have the event looked up again after a pause; False where that was done often enough, or too many wait.

        One entry waits for each activity and kind of event, however many events there are.
        """
        event = pending.event
        if event is None or pending.tries >= len(pauses):
            return False
        return self._later.put(_entry(event), now + pauses[pending.tries], str(pending.tries + 1))

    def delete_others(self, event: Event) -> None:
        """Look up the same activity for no other kind of event any more: it is gone."""
        others = {"create", "update", "delete"} - {event.aspect}
        self._later.delete(_entry(replace(event, aspect=aspect)) for aspect in others)

    def settle(self, handled: Iterable[PendingEvent]) -> None:
        """Delete what was dealt with, new events in their order. Doing so again is harmless."""
        last_new = None
        for each in handled:
            if isinstance(each.place, Due):
                self._later.settle(each.place)
            else:
                last_new = each.place
        if last_new:
            self._stream.settle(last_new)

    def delete_athlete(self, athlete_id: int) -> int:
        """Delete every event of an athlete; how many there were."""
        entries = self._later.all()
        theirs = [entry for entry in entries if (event := _event(entry)) and event.owner_id == athlete_id]
        self._later.delete(theirs)
        return len(theirs) + self._stream.delete_athlete(athlete_id)


def activities_of(pending: Iterable[PendingEvent]) -> dict[int, set[int]]:
    """Of each athlete, the activities that events are about."""
    ids: dict[int, set[int]] = {}
    for each in pending:
        if each.event and each.event.object_type == "activity":
            ids.setdefault(each.event.owner_id, set()).add(each.event.object_id)
    return ids


def _looked_up(due: Due) -> PendingEvent:
    return PendingEvent(_event(due.entry), int(due.note or 0), due)


def _entry(event: Event) -> str:
    return f"{event.object_type}:{event.aspect}:{event.owner_id}:{event.object_id}"


def _event(entry: str) -> Event | None:
    try:
        object_type, aspect, owner_id, object_id = entry.split(":")
        return Event(object_type, aspect, int(object_id), int(owner_id))
    except ValueError:
        return None
