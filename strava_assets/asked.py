"""Hours that somebody asked to be fetched again, now or later: a sorted set in Redis.

A run that ran out of quota asks for its own hours, a reconciliation for those that differ. The sensor
`strava_events` turns what is due into runs.
"""

from datetime import datetime
from typing import cast

from redis import Redis

from strava_assets.hours import Window

KEY = "strava:asked"


class AskedWindows:
    """The windows that wait to be fetched, each with the moment before which it must not be."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ask(self, window: Window, not_before: datetime) -> None:
        """Have the window fetched once `not_before` has passed; asking twice is asking once."""
        member = f"{window.start.isoformat()}/{window.end.isoformat()}"
        self._redis.zadd(KEY, {member: not_before.timestamp()})

    def due(self, now: datetime) -> list[Window]:
        """The windows whose moment has come, oldest ask first."""
        members = cast("list[bytes]", self._redis.zrangebyscore(KEY, "-inf", now.timestamp()))
        return [Window(*map(datetime.fromisoformat, member.decode().split("/"))) for member in members]

    def settle(self, window: Window) -> None:
        """Forget a window, because a run for it exists."""
        self._redis.zrem(KEY, f"{window.start.isoformat()}/{window.end.isoformat()}")
