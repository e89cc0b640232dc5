"""Strava's request limits: fixed 15-minute periods from :00, :15, :30, :45, and days that end at midnight UTC.

https://developers.strava.com/docs/rate-limits/
"""

from dataclasses import dataclass, field

QUARTER, DAY = 900, 86400


@dataclass(frozen=True)
class Limit:
    """Requests allowed per 15 minutes and per day."""

    quarter: int
    day: int


@dataclass
class RateLimits:
    """Counts an application's requests and says when they are too many.

    All that this project does are reads, so every request counts against both limits.
    """

    overall: Limit = Limit(200, 2000)
    read: Limit = Limit(100, 1000)
    used: dict[tuple[int, int], int] = field(default_factory=dict)

    def count(self, now: float, requests: int = 1) -> bool:
        """Count a request made `now` (or several, of another program); whether it is allowed. A refused one counts."""
        for length in (QUARTER, DAY):
            period = (length, int(now // length))
            self.used[period] = self.used.get(period, 0) + requests
        quarter, day = self._usage(now)
        return quarter <= min(self.overall.quarter, self.read.quarter) and day <= min(self.overall.day, self.read.day)

    def headers(self, now: float) -> dict[str, str]:
        """The four headers of every API answer."""
        usage = ",".join(map(str, self._usage(now)))
        return {
            "X-RateLimit-Limit": f"{self.overall.quarter},{self.overall.day}",
            "X-RateLimit-Usage": usage,
            "X-ReadRateLimit-Limit": f"{self.read.quarter},{self.read.day}",
            "X-ReadRateLimit-Usage": usage,
        }

    def _usage(self, now: float) -> tuple[int, int]:
        return self.used.get((QUARTER, int(now // QUARTER)), 0), self.used.get((DAY, int(now // DAY)), 0)
