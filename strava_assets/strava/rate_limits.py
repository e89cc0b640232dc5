"""Strava's request limits, as pure functions: headers to usage, clock to the next period, usage to words.

Periods are fixed, not sliding: 15-minute periods start at :00, :15, :30 and :45, the day ends at midnight UTC. Limits
hold per application, for all its athletes together. https://developers.strava.com/docs/rate-limits/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal

QUARTER = timedelta(minutes=15)

Period = Literal["quarter", "day"]


@dataclass(frozen=True)
class Limit:
    """How many requests a 15-minute period and a day allow."""

    quarter: int
    day: int


@dataclass(frozen=True)
class Reported:
    """What one answer's headers say of one family of requests: how many were used, of how many."""

    used: Limit
    limit: Limit


@dataclass(frozen=True)
class Usage:
    """What one answer's headers say: of reads ("non-upload", all that is done here), and of all requests."""

    read: Reported | None
    overall: Reported | None


_MOST = 10**9
"""No application is allowed more requests; a larger number is no count."""

DEFAULT_READ_LIMIT = Limit(100, 1000)
"""Until Strava has reported others: what every new application gets for reads."""

DEFAULT_OVERALL_LIMIT = Limit(200, 2000)


@dataclass(frozen=True)
class Quota:
    """Reads used and allowed in this 15-minute period and on this day; None until Strava has reported them."""

    quarter_used: int | None = None
    quarter_limit: int | None = None
    day_used: int | None = None
    day_limit: int | None = None

    def __str__(self) -> str:
        if None in (self.quarter_used, self.quarter_limit, self.day_used, self.day_limit):
            return "unknown"
        return (
            f"{self.quarter_used} of {self.quarter_limit} requests used in this 15-minute period, "
            f"{self.day_used} of {self.day_limit} today"
        )


def usage(headers: Mapping[str, str]) -> Usage:
    """Read an answer's rate-limit headers; answers of /oauth/... have none. Names count without case."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return Usage(read=_reported(lowered, "x-readratelimit"), overall=_reported(lowered, "x-ratelimit"))


def _reported(headers: Mapping[str, str], name: str) -> Reported | None:
    used, limit = _pair(headers.get(f"{name}-usage"), least=0), _pair(headers.get(f"{name}-limit"), least=1)
    return Reported(used, limit) if used and limit else None


def _pair(value: str | None, *, least: int) -> Limit | None:
    """Two plausible numbers, else None. A limit of 0 would end every request, and with them all news of the limit."""
    try:
        quarter, day = map(int, (value or "").split(","))
    except ValueError:
        return None
    return Limit(quarter, day) if all(least <= number <= _MOST for number in (quarter, day)) else None


def quarter_index(now: datetime) -> int:
    """The number of the 15-minute period in which `now` lies."""
    return int(now.timestamp() // QUARTER.total_seconds())


def day_index(now: datetime) -> int:
    """The number of the UTC day in which `now` lies."""
    return int(now.timestamp() // timedelta(days=1).total_seconds())


def period_end(period: Period, now: datetime) -> datetime:
    """When the 15-minute period or the day in which `now` lies is over, and counting starts again."""
    if period == "day":
        return datetime.combine(now.astimezone(UTC).date(), time(), UTC) + timedelta(days=1)
    return datetime.fromtimestamp((quarter_index(now) + 1) * QUARTER.total_seconds(), UTC)


def refused_until(reported: Usage, now: datetime) -> datetime:
    """Until when nothing more may be asked after a 429, which should not have happened.

    In the first half minute of a 15-minute period the likely reason is that Strava's clock is behind this
    machine's, and the period that was spent there is about to end.
    """
    families = (reported.read, reported.overall)
    if any(family and family.used.day >= family.limit.day for family in families):
        return period_end("day", now)
    since_start = now - (period_end("quarter", now) - QUARTER)
    return now + timedelta(minutes=1) if since_start < timedelta(seconds=30) else period_end("quarter", now)


@dataclass(frozen=True)
class Spent:
    """A period in which no further request may be sent by this caller, and until when."""

    period: Period
    used: int | None
    limit: int | None
    reserved: int
    until: datetime

    def __str__(self) -> str:
        name = "15-minute" if self.period == "quarter" else "daily"
        if self.used is None or self.limit is None:
            return f"Strava refused a request: {name} rate limit reached"
        reserve = f", {self.reserved} reserved for the hourly schedule" if self.reserved else ""
        return f"Strava's {name} rate limit reached: {self.used} of {self.limit} requests used{reserve}"
