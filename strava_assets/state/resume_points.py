"""How far a fetch got, so that an interrupted one resumes there."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state import keys
from strava_assets.state.connection import answering


class ResumePoints:
    """How far a fetch got since a range's first hour, by athlete: in Redis for a day, gone when it is complete.

    The range's end is not part of it: a later try often ends an hour later. Every method raises ServiceUnavailable
    if Redis does not answer.
    """

    LIFETIME = timedelta(days=1)

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def reached(self, athlete_id: int, window: Window) -> datetime:
        """Everything of the window before this moment was fetched and written less than a day ago."""
        with answering(self._redis):
            value = self._redis.get(self._key(athlete_id, window))
        reached = datetime.fromisoformat(value.decode()) if isinstance(value, bytes) else window.start
        return reached if reached < window.end else window.start

    def reach(self, athlete_id: int, window: Window, moment: datetime) -> None:
        """Remember that everything before `moment` is written."""
        with answering(self._redis):
            if moment >= window.end:
                self._redis.delete(self._key(athlete_id, window))
            else:
                self._redis.set(self._key(athlete_id, window), moment.isoformat(), ex=self.LIFETIME)

    def discard(self, windows: Iterable[Window]) -> None:
        """Have these windows fetched from their start, whoever began them: something in them differs."""
        with answering(self._redis):
            for window in windows:
                if found := list(self._redis.scan_iter(match=self._key("*", window), count=1000)):
                    self._redis.delete(*found)

    def delete(self, athlete_id: int) -> int:
        """Delete all of an athlete's; how many there were."""
        with answering(self._redis):
            found = list(self._redis.scan_iter(match=f"{keys.RESUME_POINT}{athlete_id}:*", count=1000))
            return int(self._redis.delete(*found)) if found else 0

    @staticmethod
    def _key(athlete_id: int | str, window: Window) -> str:
        return f"{keys.RESUME_POINT}{athlete_id}:{window.start:%Y-%m-%dT%H}"
