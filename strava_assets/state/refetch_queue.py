"""Hours that somebody asked to be fetched again, now or later: a sorted set in Redis.

A run that ran out of quota asks for its own hours, a reconciliation for those that differ. The sensor
`strava_events` turns what is due into runs.
"""

from datetime import datetime

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state.delayed_queue import DelayedQueue

KEY = "strava:asked"


class RefetchQueue:
    """The windows that wait to be fetched, each with the moment before which it must not be."""

    def __init__(self, redis: Redis) -> None:
        self._postponed = DelayedQueue(redis, KEY)

    def ask(self, window: Window, not_before: datetime) -> None:
        """Have the window fetched once `not_before` has passed; asking twice is asking once."""
        self._postponed.postpone(f"{window.start.isoformat()}/{window.end.isoformat()}", not_before)

    def due(self, now: datetime) -> list[Window]:
        """The windows whose moment has come, oldest ask first."""
        return [Window(*map(datetime.fromisoformat, entry.split("/"))) for entry in self._postponed.due(now)]

    def settle(self, window: Window, now: datetime) -> None:
        """Forget a window that was due at `now`, because a run for it exists; one asked for again since then stays."""
        self._postponed.settle(f"{window.start.isoformat()}/{window.end.isoformat()}", now)
