"""Athletes who withdrew access, as Strava confirmed, and whose data still waits to be purged."""

from datetime import UTC, datetime
from typing import cast

from redis import Redis

from strava_assets.state.connection import answering

KEY = "strava:revoked"


def waits_to_be_purged(athlete_id: int, since: datetime) -> str:
    """What the owner has to do about an athlete who is marked, in words."""
    return (
        f"Athlete {athlete_id} withdrew access on {since:%Y-%m-%d %H:%M} UTC. Their data must be deleted: "
        f"strava-assets purge --athlete {athlete_id}"
    )


class Revocations:
    """The marks in Redis. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def mark(self, athlete_id: int, now: datetime) -> None:
        """Remember that access was withdrawn; the first time counts."""
        with answering(self._redis):
            self._redis.zadd(KEY, {str(athlete_id): now.timestamp()}, nx=True)

    def unmark(self, athlete_id: int) -> None:
        """The athlete is purged, or has logged in again."""
        with answering(self._redis):
            self._redis.zrem(KEY, str(athlete_id))

    def athletes(self) -> dict[int, datetime]:
        """Who is marked, and since when (UTC)."""
        with answering(self._redis):
            marks = cast("list[tuple[bytes, float]]", self._redis.zrange(KEY, 0, -1, withscores=True))
        return {int(athlete_id): datetime.fromtimestamp(since, UTC) for athlete_id, since in marks}
