"""Removes deleted values from Redis' append-only file, which holds every value that was ever written."""

import time

from redis import Redis
from redis.exceptions import NoPermissionError

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.state.connection import address, answering

TIMEOUT = 60.0
"""Seconds; tokens, events and counters are rewritten in one."""


def compact(redis: Redis) -> bool:
    """Have the append-only file written anew, and wait for it; False where that is not ours to decide.

    Raises ServiceUnavailable where it is not done in time.
    """
    deadline = time.monotonic() + TIMEOUT
    is_requested = False
    try:
        with answering(redis):
            while time.monotonic() < deadline:
                state = redis.info("persistence")
                if not state.get("aof_enabled"):
                    return False
                if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
                    if is_requested:
                        return True
                    redis.bgrewriteaof()
                    is_requested = True
                time.sleep(0.05)
    except (ConfigurationError, ServiceUnavailable) as error:
        if isinstance(error.__cause__, NoPermissionError):
            return False
        raise
    raise ServiceUnavailable(
        f"Redis at {address(redis)} did not rewrite its append-only file in {TIMEOUT:.0f} seconds."
    )
