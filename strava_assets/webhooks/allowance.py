"""How many requests webhook events may cost on a day, since nothing proves who sent them."""

from datetime import UTC, datetime, timedelta

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering

SHARE = 0.2
"""Of the application's daily limit; the default one, of 1,000 requests, allows some fifty uploads."""

DEFAULT_LIMIT = 1000
"""What Strava grants a new application a day."""

COST_OF_RUN = 3
"""Requests of a run of an hour: two for the listing of one athlete, and one to spare."""

_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Allowance:
    """The requests that events may still cost today (UTC), over all processes."""

    def __init__(self, redis: Redis, daily_limit: int | None, now: datetime) -> None:
        """`daily_limit` is the application's, as far as Strava has reported it."""
        self._redis = redis
        self._limit = int((daily_limit or DEFAULT_LIMIT) * SHARE)
        self._key = f"{keys.EVENT_REQUESTS}{now.astimezone(UTC):%Y-%m-%d}"

    def take(self, requests: int = 1) -> bool:
        """Count requests; False, and nothing is counted, where fewer are left."""
        with answering(self._redis):
            lifetime = int(timedelta(days=2).total_seconds())
            return bool(self._redis.eval(_TAKE, 1, self._key, requests, self._limit, lifetime))
