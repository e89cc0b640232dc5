"""What is to be done at a later moment: a sorted set in Redis, each entry with the moment it is due."""

from datetime import datetime
from typing import cast

from redis import Redis

from strava_assets.state.connection import answering

_SETTLE = """
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if due and tonumber(due) <= tonumber(ARGV[2]) then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
"""


class DelayedQueue:
    """Entries of text that wait until they are due, under one Redis key."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def postpone(self, entry: str, until: datetime) -> None:
        """Have the entry due from `until` on; one that waits already waits until then."""
        with answering(self._redis):
            self._redis.zadd(self._key, {entry: until.timestamp()})

    def due(self, now: datetime, count: int | None = None) -> list[str]:
        """The entries whose moment has come, the longest due first, at most `count`; they stay until settled."""
        with answering(self._redis):
            entries = self._redis.zrangebyscore(
                self._key, "-inf", now.timestamp(), start=None if count is None else 0, num=count
            )
        return [entry.decode() for entry in cast("list[bytes]", entries)]

    def settle(self, entry: str, now: datetime) -> None:
        """Forget an entry that was due at `now`, unless it was postponed again meanwhile."""
        with answering(self._redis):
            self._redis.eval(_SETTLE, 1, self._key, entry, repr(now.timestamp()))

    def all(self) -> list[str]:
        """Every entry, due or not."""
        with answering(self._redis):
            return [entry.decode() for entry in cast("list[bytes]", self._redis.zrange(self._key, 0, -1))]

    def remove(self, entry: str) -> None:
        """Forget an entry, due or not."""
        with answering(self._redis):
            self._redis.zrem(self._key, entry)
