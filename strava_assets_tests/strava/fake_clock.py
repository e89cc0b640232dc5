"""A clock that stands still until somebody sleeps, and then jumps."""

import threading
from datetime import UTC, datetime, timedelta

from strava_assets.strava.clock import Clock


class FakeClock:
    """Its `clock` can be shared among threads; `slept` lists every wait in seconds."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 13, 2, tzinfo=UTC)) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.slept: list[float] = []
        self.clock = Clock(self.now, self.sleep)

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)
