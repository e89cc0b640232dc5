"""Sensors: ask what differs, and request runs for just those hours.

https://docs.dagster.io/guides/automate/sensors
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from strava_assets.defs.jobs import sync_hours
from strava_assets.defs.resources import Postgres, RawBucket, Strava
from strava_assets.defs.runs import look_back, not_under_way, request_for, windows_under_way
from strava_assets.errors import ConfigurationError, RateLimitExceeded, StravaAssetsError
from strava_assets.settings import Settings
from strava_assets.sync.compare import Comparer

settings = Settings.from_environment()


@dg.sensor(
    job=sync_hours,
    minimum_interval_seconds=settings.changes_interval_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lists the last days of Strava, compares with the mirror, and requests runs for the hours that differ: "
    "late uploads, edits, moves, deletions.",
)
def strava_changes(
    context: dg.SensorEvaluationContext, strava: Strava, bucket: RawBucket, postgres: Postgres
) -> dg.SensorResult | dg.SkipReason:
    """One comparison of the look-back; no run keys, since the comparison itself says what is still to be done."""
    now = datetime.now(UTC)
    try:
        with strava.open(may_use_reserve=False, max_wait=timedelta(0)) as client:
            comparer = Comparer(client, bucket.open(), postgres.open(), settings.max_delete_share)
            comparison = comparer.compare(look_back(now, now - settings.lookback))
    except (ConfigurationError, RateLimitExceeded) as error:
        return dg.SkipReason(str(error))
    except StravaAssetsError as error:
        raise dg.Failure(str(error)) from None
    for trouble in comparison.errors.values():
        context.log.warning(str(trouble))
    windows = not_under_way(comparison.windows, windows_under_way(context.instance))
    context.log.info("%s", comparison)
    if not windows:
        return dg.SkipReason(f"{comparison}.")
    return dg.SensorResult(run_requests=[request_for(window) for window in windows])
