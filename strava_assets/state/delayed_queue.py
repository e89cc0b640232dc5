"""Entries that wait until they are due: a sorted set in Redis, and beside it a hash with a note on each entry."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, cast

from redis import Redis

from strava_assets.state.connection import answering

_PUT = """
local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[1])
if is_new and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
"""

_SETTLE = """
local note = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if note ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""


class Due(NamedTuple):
    """An entry whose moment has come, that moment (UTC), and the note on it (empty where there is none)."""

    entry: str
    since: datetime
    note: str


class DelayedQueue:
    """Entries of text under one Redis key, each there once. Methods raise ServiceUnavailable without Redis."""

    def __init__(self, redis: Redis, key: str, capacity: int) -> None:
        """`capacity` is how many entries wait at most; further ones are not taken."""
        self._redis = redis
        self._key = key
        self._notes = f"{key}:notes"
        self._capacity = capacity

    def put(self, entry: str, due: datetime, note: str = "") -> bool:
        """Have the entry due from then on, instead of when it was before; False where the queue is full."""
        with answering(self._redis):
            moment = repr(due.timestamp())
            return bool(self._redis.eval(_PUT, 2, self._key, self._notes, entry, moment, note, self._capacity))

    def due(self, now: datetime, count: int | None = None) -> list[Due]:
        """The entries whose moment has come, the longest due first, at most `count`; they stay until settled."""
        with answering(self._redis):
            found = self._redis.zrangebyscore(
                self._key, "-inf", now.timestamp(), start=None if count is None else 0, num=count, withscores=True
            )
            entries = cast("list[tuple[bytes, float]]", found)
            notes = self._redis.hmget(self._notes, [entry for entry, _ in entries]) if entries else []
        return [
            Due(entry.decode(), datetime.fromtimestamp(since, UTC), (note or b"").decode())
            for (entry, since), note in zip(entries, cast("list[bytes | None]", notes), strict=True)
        ]

    def settle(self, due: Due) -> None:
        """Delete an entry that was due, unless it was put again, with another note, meanwhile."""
        with answering(self._redis):
            self._redis.eval(_SETTLE, 2, self._key, self._notes, due.entry, due.note)

    def all(self) -> list[str]:
        """Every entry, due or not."""
        with answering(self._redis):
            return [entry.decode() for entry in cast("list[bytes]", self._redis.zrange(self._key, 0, -1))]

    def delete(self, entries: Iterable[str]) -> None:
        """Delete entries, due or not."""
        listed = list(entries)
        if listed:
            with answering(self._redis):
                self._redis.zrem(self._key, *listed)
                self._redis.hdel(self._notes, *listed)
