"""The simulation's time: real, until somebody advances or sets it."""

import time
from datetime import UTC, datetime


class Clock:
    """Real time plus what was added to it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def now(self) -> datetime:
        """The same as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._ahead += seconds

    def set(self, moment: datetime) -> None:
        """Let it be `moment` (aware) now; from there time goes on as usual."""
        self._ahead = moment.timestamp() - time.time()
