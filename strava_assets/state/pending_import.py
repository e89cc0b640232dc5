"""An import that is fetched and mirrored, but not recorded in Dagster yet."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state import keys
from strava_assets.state.connection import answering


class PendingImport:
    """An import whose data is complete, but which Dagster has not recorded yet: in Redis, for an hour.

    It is known by what was requested: the first and the last day as they were given, None where they were not,
    and the athletes who were logged in. An end that was not given moves on while an import is tried again.
    """

    LIFETIME = timedelta(hours=1)

    def __init__(
        self, redis: Redis, first: datetime | None, last: datetime | None, athlete_ids: Collection[int]
    ) -> None:
        self._redis = redis
        days = (f"{day:%Y-%m-%d}" if day else "" for day in (first, last))
        self._key = f"{keys.PENDING_IMPORT}{'/'.join(days)}:{','.join(map(str, sorted(athlete_ids)))}"

    def remember(self, windows: Iterable[Window]) -> None:
        """The windows are fetched and mirrored; what is left to do is to record them."""
        with answering(self._redis):
            self._redis.set(self._key, ",".join(window.isoformat() for window in windows), ex=self.LIFETIME)

    def windows(self) -> list[Window]:
        """The windows that wait to be recorded; none if there is no such import."""
        with answering(self._redis):
            value = self._redis.get(self._key)
        return list(map(Window.fromisoformat, value.decode().split(","))) if isinstance(value, bytes) else []

    def delete(self) -> None:
        """The window is recorded."""
        with answering(self._redis):
            self._redis.delete(self._key)


def delete_pending_imports(redis: Redis) -> int:
    """Delete every import that waits, since an athlete's data is being deleted; how many there were."""
    with answering(redis):
        found = list(redis.scan_iter(match=f"{keys.PENDING_IMPORT}*", count=1000))
        return int(redis.delete(*found)) if found else 0
