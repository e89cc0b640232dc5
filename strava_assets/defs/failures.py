"""The one place where errors of this project become Dagster's: fail, retry soon, or go on once the limit allows."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from strava_assets.defs.partitions import window_of
from strava_assets.defs.resources import RedisTokens
from strava_assets.errors import RateLimitExceeded, StravaAssetsError, TransientError
from strava_assets.state.refetch_queue import RefetchQueue

RETRY_AFTER_SECONDS = 5
"""After trouble that may pass, a step is tried again so much later, twice; what is left the sensor repairs."""


@contextmanager
def as_dagster_failure(context: dg.AssetExecutionContext, tokens: RedisTokens) -> Iterator[None]:
    """The one place where this project's errors become Dagster's: fail, retry soon, or go on after a window.

    A run that must wait long for Strava's window ends, so that the hourly run can pass, and its hours are
    asked for again: the sensor `strava_events` requests them once the window has refilled.
    """
    try:
        yield
    except RateLimitExceeded as error:
        RefetchQueue(tokens.connect()).ask(window_of(context.partition_keys), not_before=error.until)
        message = f"{error} These hours are fetched by themselves after {error.until:%Y-%m-%d %H:%M} UTC."
        raise dg.Failure(message, allow_retries=False) from None
    except TransientError as error:
        if context.retry_number >= 2:  # noqa: PLR2004 - the sensor repairs what three tries could not
            raise dg.Failure(str(error), allow_retries=False) from None
        context.log.warning(str(error))
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=RETRY_AFTER_SECONDS) from None
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
