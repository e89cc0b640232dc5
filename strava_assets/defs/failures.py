"""The one place where errors of this project become Dagster's: fail, retry soon, or go on once the limit allows."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from strava_assets.defs.run_tags import RATE_LIMIT
from strava_assets.errors import RateLimitExceeded, StravaAssetsError, TransientError
from strava_assets.hours import Window
from strava_assets.state.refetch_queue import RefetchQueue

RETRY_AFTER_SECONDS = 5
"""After a transient error a step is tried again so much later."""

MAX_RETRIES = 2
"""What three tries could not do, the sensor repairs."""

RETRIED_AFTER = "retried_after"
"""Metadata of the failure of a step that met the rate limit: the moment when this refills, in seconds since 1970."""


@contextmanager
def step_failures(context: dg.AssetExecutionContext, window: Window, queue: RefetchQueue) -> Iterator[None]:
    """Within a step of the two assets: fail, retry soon, or go on once Strava's rate limit allows.

    A run that would wait long for the limit ends, so that the hourly run can pass, and its hours are put into the
    refetch queue: the sensor `strava_events` requests them once the limit has refilled.
    """
    try:
        yield
    except RateLimitExceeded as error:
        queue.request(window, RATE_LIMIT, not_before=error.until)
        message = f"{error} Retried automatically after {error.until:%Y-%m-%d %H:%M} UTC."
        metadata = {RETRIED_AFTER: error.until.timestamp()}
        raise dg.Failure(message, metadata=metadata, allow_retries=False) from None
    except StravaAssetsError as error:
        if not is_retried_soon(error, context):
            raise dg.Failure(str(error), allow_retries=False) from None
        context.log.warning(str(error))
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=RETRY_AFTER_SECONDS) from None


def is_retried_soon(error: StravaAssetsError, context: dg.AssetExecutionContext) -> bool:
    """Whether a step that ends with the error is tried again at once, so that nothing is final yet."""
    is_transient = isinstance(error, TransientError) and not isinstance(error, RateLimitExceeded)
    return is_transient and context.retry_number < MAX_RETRIES


@contextmanager
def failures(but: tuple[type[StravaAssetsError], ...] = ()) -> Iterator[None]:
    """Within an op or a tick: an error, `but` some, fails it with its one line, without traceback and retry."""
    try:
        yield
    except but:
        raise
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
