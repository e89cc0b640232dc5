"""How far a comparison of the whole history got: one that Strava's rate limit ended goes on there, by athlete."""

from datetime import timedelta
from enum import Enum

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering

LIFETIME = timedelta(hours=20)
"""Since the first entry: the next day's comparison begins anew."""


class Step(Enum):
    """How far an athlete's comparison is."""

    UNDECIDED = "it is to be decided on deletions first"
    DECIDED = "it was decided on deletions"
    COMPARED = "they are compared"


class ReconcileProgress:
    """Each athlete's step, in Redis. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, athlete_id: int) -> Step | None:
        """How far the athlete's comparison is; None where it has not begun."""
        with answering(self._redis):
            step = self._redis.hget(keys.RECONCILED, str(athlete_id))
        return Step[step.decode()] if isinstance(step, bytes) else None

    def put(self, athlete_id: int, step: Step) -> None:
        """Remember how far it is."""
        with answering(self._redis):
            is_first = not self._redis.exists(keys.RECONCILED)
            self._redis.hset(keys.RECONCILED, str(athlete_id), step.name)
            if is_first:
                self._redis.expire(keys.RECONCILED, LIFETIME)

    def delete(self, athlete_id: int) -> int:
        """Remove the athlete's step; how many there were."""
        with answering(self._redis):
            return int(self._redis.hdel(keys.RECONCILED, str(athlete_id)))

    def clear(self) -> None:
        """All are compared."""
        with answering(self._redis):
            self._redis.delete(keys.RECONCILED)
