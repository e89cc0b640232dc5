"""Hours that wait to be fetched again, now or later: a delayed queue in Redis.

A run that ran out of quota requests its own hours, a reconciliation those that differ, and webhook events theirs. The
sensor `strava_events` makes runs of them. They leave the queue only when a run that began after they were requested has
succeeded, so that a run that fails, is cancelled or killed loses none.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state import keys
from strava_assets.state.delayed_queue import DelayedQueue, Due

CAPACITY = 10_000
"""Windows; beyond that the comparisons find what differs."""


@dataclass(frozen=True)
class Requested:
    """Hours that are due, and when they were requested last (UTC)."""

    window: Window
    requested_at: datetime
    reason: str | None
    """Why; None from version 0.1.0, which requested only what met the rate limit."""
    due: Due
    whole: list[Window] = field(default_factory=list)
    """Spans in it of which no part may be fetched alone."""


class RefetchQueue:
    """The windows that wait to be fetched, each with the moment before which it must not be."""

    def __init__(self, redis: Redis) -> None:
        self._queue = DelayedQueue(redis, keys.REFETCH_QUEUE, CAPACITY)

    def request(
        self, window: Window, reason: str, not_before: datetime | None = None, whole: Iterable[Window] = ()
    ) -> None:
        """Have the window fetched by a run that begins later than now, and than `not_before`.

        That replaces what was requested of its hours before. Of a span in `whole` no part is fetched alone.
        """
        now = datetime.now(UTC)
        spans = [span.isoformat() for span in whole if window.covers(span)]
        note = json.dumps({"requested_at": now.isoformat(), "reason": reason, "whole": spans})
        if self._queue.put(window.isoformat(), not_before or now, note):
            waiting = map(Window.fromisoformat, self._queue.all())
            self._queue.delete(each.isoformat() for each in waiting if each != window and window.covers(each))

    def due(self, now: datetime) -> list[Requested]:
        """The windows whose moment has come, the longest due first; they stay until they are settled."""
        return [_requested(each) for each in self._queue.due(now)]

    def settle(self, requested: Requested) -> None:
        """Delete a window, because it was fetched; one that was requested again meanwhile stays."""
        self._queue.settle(requested.due)


def _requested(due: Due) -> Requested:
    note = json.loads(due.note or "{}")  # version 0.1.0 left none
    requested_at = datetime.fromisoformat(note["requested_at"]) if note else due.since
    whole = [Window.fromisoformat(span) for span in note.get("whole", [])]
    return Requested(Window.fromisoformat(due.entry), requested_at, note.get("reason"), due, whole)
