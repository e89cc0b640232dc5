"""Athletes who withdrew access, as Strava confirmed, and whose data still waits to be purged."""

from datetime import UTC, datetime, timedelta
from typing import cast

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 15, 60, 360))
"""Before a purge that was requested and has not succeeded is requested again; the last one counts for good."""


class Revocations:
    """The marks in Redis. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def mark(self, athlete_id: int, now: datetime) -> None:
        """Remember that access was withdrawn; the first time counts."""
        with answering(self._redis):
            self._redis.zadd(keys.REVOKED, {str(athlete_id): now.timestamp()}, nx=True)

    def unmark(self, athlete_id: int) -> None:
        """The athlete is purged, or has logged in again."""
        with answering(self._redis):
            self._redis.zrem(keys.REVOKED, str(athlete_id))
            self._redis.hdel(keys.REVOKED_TRIES, str(athlete_id))

    def athletes(self) -> dict[int, datetime]:
        """Who is marked, and since when (UTC)."""
        with answering(self._redis):
            marks = cast("list[tuple[bytes, float]]", self._redis.zrange(keys.REVOKED, 0, -1, withscores=True))
        return {int(athlete_id): datetime.fromtimestamp(since, UTC) for athlete_id, since in marks}

    def due(self, now: datetime) -> list[int]:
        """Who is marked and whose purge is to be requested now: for the first time, or again."""
        return [athlete_id for athlete_id in self.athletes() if self._next_try(athlete_id, now) <= now]

    def count_try(self, athlete_id: int, now: datetime) -> None:
        """A purge of the athlete is requested."""
        count, _ = self._tries(athlete_id)
        with answering(self._redis):
            self._redis.hset(keys.REVOKED_TRIES, str(athlete_id), f"{count + 1} {now.timestamp()}")

    def _next_try(self, athlete_id: int, now: datetime) -> datetime:
        count, last = self._tries(athlete_id)
        return last + PAUSES[min(count, len(PAUSES)) - 1] if last else now

    def _tries(self, athlete_id: int) -> tuple[int, datetime | None]:
        with answering(self._redis):
            stored = self._redis.hget(keys.REVOKED_TRIES, str(athlete_id))
        if not isinstance(stored, bytes):
            return 0, None
        count, last = stored.decode().split()
        return int(count), datetime.fromtimestamp(float(last), UTC)
