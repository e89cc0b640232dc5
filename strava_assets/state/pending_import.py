"""An import that is fetched and mirrored, but not recorded in Dagster yet."""

from datetime import datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state.connection import answering


class PendingImport:
    """An import whose data is complete, but which Dagster has not recorded yet: in Redis, for an hour."""

    LIFETIME = timedelta(hours=1)

    def __init__(self, redis: Redis, asked: Window) -> None:
        self._redis = redis
        # The end moves on by itself while an import is tried again.
        self._key = f"strava:imported:{asked.start:%Y-%m-%dT%H}"

    def remember(self, window: Window) -> None:
        """The window is fetched and mirrored; what is left to do is to record it."""
        with answering(self._redis):
            self._redis.set(self._key, f"{window.start.isoformat()}/{window.end.isoformat()}", ex=self.LIFETIME)

    def window(self) -> Window | None:
        """The window that waits to be recorded, if there is one."""
        with answering(self._redis):
            value = self._redis.get(self._key)
        return Window(*map(datetime.fromisoformat, value.decode().split("/"))) if isinstance(value, bytes) else None

    def forget(self) -> None:
        """The window is recorded."""
        with answering(self._redis):
            self._redis.delete(self._key)
