"""The ids of activities that a purge still takes out of what Dagster keeps, after their rows are deleted."""

from collections.abc import Collection
from typing import cast

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering


class PurgedIds:
    """By athlete, in Redis until the purge is over. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, athlete_id: int, activity_ids: Collection[int]) -> set[int]:
        """Remember these, too; all that are remembered, an interrupted purge's as well."""
        with answering(self._redis):
            if activity_ids:
                self._redis.sadd(_key(athlete_id), *map(str, activity_ids))
        return self.of(athlete_id)

    def of(self, athlete_id: int) -> set[int]:
        """All that are remembered; none where no purge of the athlete was interrupted."""
        with answering(self._redis):
            return {int(each) for each in cast("set[bytes]", self._redis.smembers(_key(athlete_id)))}

    def delete(self, athlete_id: int) -> None:
        """They are taken out everywhere."""
        with answering(self._redis):
            self._redis.delete(_key(athlete_id))


def _key(athlete_id: int) -> str:
    return f"{keys.PURGED_IDS}{athlete_id}"
