"""The request budget that all processes share, in Redis, so that Strava's limits are never exceeded.

A request is reserved before it is sent, in one atomic step; what its answer's headers say corrects the
count. What is known of a period: `sent` were reserved by us, `answered` of them are accounted for, and
`others` is what Strava counted beyond those, by other programs with the same client id. Sent plus others
is never below Strava's own count. A request that is on the way when a period ends may be counted on either
side, so it counts on both.
"""

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from strava_assets.errors import RateLimitExceeded
from strava_assets.state import keys
from strava_assets.state.connection import answering
from strava_assets.strava.clock import REAL, Clock
from strava_assets.strava.rate_limits import (
    DEFAULT_OVERALL_LIMIT,
    DEFAULT_READ_LIMIT,
    QUARTER,
    Period,
    Quota,
    Spent,
    Usage,
    day_index,
    period_end,
    quarter_index,
    refused_until,
    usage,
)

logger = logging.getLogger(__name__)

_LIFETIME = timedelta(days=2)

CLOCKS_DIFFER = timedelta(minutes=5)
"""Clocks of several computers may differ by this much; what one that is further ahead has counted is not believed."""

_ROLL = """
local key = KEYS[1]
local function number(name, default)
  return tonumber(redis.call('HGET', key, name) or default)
end
local function limit_of(family, period, default)
  local limit = number(family .. ':' .. period .. ':limit', default)
  return limit > 0 and limit or tonumber(default)
end
local function drop_periods_ahead(now)
  if number('quarter:index', -1) * QUARTER_SECONDS > now + TOLERATED_SECONDS then
    for _, period in ipairs({'quarter', 'day'}) do
      redis.call('HDEL', key, period .. ':index', period .. ':sent', period .. ':answered',
        period .. ':read:others', period .. ':overall:others')
    end
    redis.call('HDEL', key, 'blocked_until')
  end
end
local function roll(period, index)
  local last = number(period .. ':index', -1)
  if index > last then
    local on_the_way = 0
    if index == last + 1 then
      on_the_way = number(period .. ':sent', 0) - number(period .. ':answered', 0)
    end
    redis.call('HSET', key, period .. ':index', index, period .. ':sent', 0, period .. ':answered', 0,
      period .. ':read:others', on_the_way, period .. ':overall:others', on_the_way)
  end
end
""".replace("QUARTER_SECONDS", f"{QUARTER.total_seconds():.0f}").replace(
    "TOLERATED_SECONDS", f"{CLOCKS_DIFFER.total_seconds():.0f}"
)
"""What both scripts share. Periods that a clock far ahead has begun would not end for as long: they are dropped."""

_RESERVE = f"""{_ROLL}
local share = tonumber(ARGV[1])
local index = {{quarter = tonumber(ARGV[2]), day = tonumber(ARGV[3])}}
local default = {{
  read = {{quarter = ARGV[4], day = ARGV[5]}}, overall = {{quarter = ARGV[6], day = ARGV[7]}}}}
drop_periods_ahead(tonumber(ARGV[8]))
local blocked_until = number('blocked_until', 0)
if blocked_until > tonumber(ARGV[8]) then
  return {{'blocked', tostring(blocked_until)}}
end
for _, period in ipairs({{'day', 'quarter'}}) do
  roll(period, index[period])
  for _, family in ipairs({{'read', 'overall'}}) do
    local limit = limit_of(family, period, default[family][period])
    local used = number(period .. ':sent', 0) + number(period .. ':' .. family .. ':others', 0)
    local kept = math.floor(limit * share)
    if used + 1 > limit - kept then
      return {{period, used, limit, kept}}
    end
  end
end
redis.call('HINCRBY', key, 'quarter:sent', 1)
redis.call('HINCRBY', key, 'day:sent', 1)
redis.call('EXPIRE', key, {int(_LIFETIME.total_seconds())})
return {{'ok', number('quarter:index', 0), number('day:index', 0)}}
"""
"""Count one request in every period, or say which period has no room for it."""

_SETTLE = f"""{_ROLL}
local reserved = {{quarter = tonumber(ARGV[1]), day = tonumber(ARGV[2])}}
local index = {{quarter = tonumber(ARGV[3]), day = tonumber(ARGV[4])}}
local used = {{
  read = {{quarter = ARGV[5], day = ARGV[6]}}, overall = {{quarter = ARGV[9], day = ARGV[10]}}}}
local limit = {{
  read = {{quarter = ARGV[7], day = ARGV[8]}}, overall = {{quarter = ARGV[11], day = ARGV[12]}}}}
drop_periods_ahead(tonumber(ARGV[14]))
for _, period in ipairs({{'quarter', 'day'}}) do
  roll(period, index[period])
  local same = reserved[period] == number(period .. ':index', -1)
  local answered = 0
  if same then
    answered = redis.call('HINCRBY', key, period .. ':answered', 1)
  end
  for _, family in ipairs({{'read', 'overall'}}) do
    local others = period .. ':' .. family .. ':others'
    if same and used[family][period] ~= '' then
      redis.call('HSET', key, others, math.max(number(others, 0), tonumber(used[family][period]) - answered))
    end
    if limit[family][period] ~= '' then
      redis.call('HSET', key, family .. ':' .. period .. ':limit', limit[family][period])
    end
  end
end
if ARGV[13] ~= '' then
  redis.call('HSET', key, 'blocked_until', math.max(number('blocked_until', 0), tonumber(ARGV[13])))
end
redis.call('EXPIRE', key, {int(_LIFETIME.total_seconds())})
"""
"""Account for one answer. What one that crossed a boundary says of its old period is of no use any more."""


@dataclass(frozen=True)
class Reservation:
    """The periods in which a request was counted before it was sent."""

    quarter: int
    day: int


class Budget:
    """One caller's view of the application's shared budget.

    `reserve_share` of each period is left to callers with `may_use_reserve`, which is the hourly run. A spent
    period is waited out if it ends within `max_wait`; `on_wait` is told in a sentence before.
    """

    def __init__(
        self,
        redis: Redis,
        client_id: str,
        *,
        reserve_share: float,
        may_use_reserve: bool,
        max_wait: timedelta,
        clock: Clock,
        on_wait: Callable[[str], None] | None,
    ) -> None:
        self._redis = redis
        self._key = f"{keys.BUDGET}{client_id}"
        self._share = 0.0 if may_use_reserve else reserve_share
        self._max_wait = max_wait
        self._clock = clock
        self._on_wait = on_wait or logger.info
        self._reserve = redis.register_script(_RESERVE)
        self._settle = redis.register_script(_SETTLE)

    def take(self) -> Reservation:
        """Count one request, once there is room for it, waiting for that if need be.

        Raises RateLimitExceeded if the wait would be longer than `max_wait`.
        """
        while True:
            outcome = self._try()
            if isinstance(outcome, Reservation):
                return outcome
            wait = self._seconds_to_wait(outcome)
            self._on_wait(f"{outcome}; waiting until {outcome.until:%H:%M} UTC.")
            self._clock.sleep(wait)

    def settle(self, reservation: Reservation, headers: Mapping[str, str] | None, *, refused: bool = False) -> None:
        """Account for a request's answer by its headers; None for an answer that was lost on the way.

        `refused` means a 429: nothing more is asked by anybody until Strava may have room again.
        """
        now = self._now()
        reported = usage(headers or {})
        blocked_until = str(refused_until(reported, now).timestamp()) if refused else ""
        with answering(self._redis):
            self._settle(
                keys=[self._key],
                args=[
                    reservation.quarter,
                    reservation.day,
                    quarter_index(now),
                    day_index(now),
                    *_arguments(reported),
                    blocked_until,
                    now.timestamp(),
                ],
            )

    def quota(self) -> Quota:
        """How much of the read periods is used."""
        names = [f"{period}:{name}" for period in ("quarter", "day") for name in ("index", "sent", "read:others")] + [
            "read:quarter:limit",
            "read:day:limit",
        ]
        with answering(self._redis):
            values = self._redis.hmget(self._key, names)
        known = {name: None if value is None else int(value) for name, value in zip(names, values, strict=True)}
        now = self._now()

        def used(period: Period, index: int) -> int | None:
            if known[f"read:{period}:limit"] is None:
                return None
            if known[f"{period}:index"] != index:
                return 0
            return (known[f"{period}:sent"] or 0) + (known[f"{period}:read:others"] or 0)

        return Quota(
            used("quarter", quarter_index(now)),
            known["read:quarter:limit"],
            used("day", day_index(now)),
            known["read:day:limit"],
        )

    def _now(self) -> datetime:
        """The time by which everybody counts: Redis's, which all computers share; a test's own clock in its place."""
        if self._clock is not REAL:
            return self._clock.now()
        with answering(self._redis):
            seconds, microseconds = self._redis.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)

    def _try(self) -> Reservation | Spent:
        now = self._now()
        with answering(self._redis):
            outcome: Any = self._reserve(
                keys=[self._key],
                args=[
                    self._share,
                    quarter_index(now),
                    day_index(now),
                    DEFAULT_READ_LIMIT.quarter,
                    DEFAULT_READ_LIMIT.day,
                    DEFAULT_OVERALL_LIMIT.quarter,
                    DEFAULT_OVERALL_LIMIT.day,
                    now.timestamp(),
                ],
            )
        kind = outcome[0].decode() if isinstance(outcome[0], bytes) else outcome[0]
        if kind == "ok":
            return Reservation(int(outcome[1]), int(outcome[2]))
        if kind == "blocked":
            until = datetime.fromtimestamp(float(outcome[1]), UTC)
            period: Period = "day" if until > period_end("quarter", now) + timedelta(minutes=1) else "quarter"
            return Spent(period, None, None, 0, until)
        period = "day" if kind == "day" else "quarter"
        return Spent(period, int(outcome[1]), int(outcome[2]), int(outcome[3]), period_end(period, now))

    def _seconds_to_wait(self, spent: Spent) -> float:
        """Until a little after the boundary, since no two clocks agree, and not all at the same moment."""
        wait = spent.until - self._now()
        if wait > self._max_wait:
            raise RateLimitExceeded(f"{spent}; try again after {_moment(spent)}.", spent.until)
        return max(0.0, wait.total_seconds()) + random.uniform(1.0, 2.0)


def _moment(spent: Spent) -> str:
    return "00:00 UTC" if spent.period == "day" else f"{spent.until:%H:%M} UTC"


def _arguments(reported: Usage) -> list[int | str]:
    """The eight numbers of the headers, in the script's order; empty where Strava did not tell."""
    arguments: list[int | str] = []
    for family in (reported.read, reported.overall):
        if family:
            arguments += [family.used.quarter, family.used.day, family.limit.quarter, family.limit.day]
        else:
            arguments += [""] * 4
    return arguments
