"""The links to athletes' reports: a random word each, which is all that it takes to see the page.

They lie in Redis, with the other secrets, in both directions.
"""

import secrets
from typing import cast

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering


class ReportLinks:
    """Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def word(self, athlete_id: int) -> str:
        """The word of the athlete's link, made where there is none."""
        with answering(self._redis):
            # Of two that make one at once, the first counts for both.
            self._redis.hsetnx(keys.REPORT_LINK, str(athlete_id), secrets.token_urlsafe(24))
            word = cast("bytes", self._redis.hget(keys.REPORT_LINK, str(athlete_id))).decode()
            self._redis.hset(keys.REPORT_ATHLETE, word, str(athlete_id))
        return word

    def athlete(self, word: str) -> int | None:
        """Whose link it is; None if it is nobody's."""
        with answering(self._redis):
            found = cast("bytes | None", self._redis.hget(keys.REPORT_ATHLETE, word))
        return int(found) if found else None

    def delete(self, athlete_id: int) -> int:
        """End the athlete's link; how many there were."""
        with answering(self._redis):
            word = cast("bytes | None", self._redis.hget(keys.REPORT_LINK, str(athlete_id)))
            if word is None:
                return 0
            self._redis.hdel(keys.REPORT_ATHLETE, word.decode())
            return self._redis.hdel(keys.REPORT_LINK, str(athlete_id))
