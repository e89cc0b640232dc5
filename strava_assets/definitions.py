"""Everything that Dagster loads. Nothing is decided here."""

from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from strava_assets.defs.assets import raw_activities, strava_activity
from strava_assets.defs.deletion_jobs import prune_old_activities, purge_athlete
from strava_assets.defs.events_sensor import strava_events
from strava_assets.defs.jobs import reconcile_history, sync_hours
from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens, Strava, variable
from strava_assets.defs.schedules import closed_hours, daily_reconciliation, prune_daily
from strava_assets.defs.sensors import strava_changes


def resources() -> dict[str, dg.ConfigurableResource[Any]]:
    """The resources that the environment's settings describe."""
    tokens = RedisTokens(url=variable("REDIS_URL"))
    s3 = S3Resource()  # endpoint, region and credentials: the AWS SDK's own variables
    return {
        "tokens": tokens,
        "strava": Strava(
            client_id=variable("STRAVA_CLIENT_ID"), client_secret=variable("STRAVA_CLIENT_SECRET"), tokens=tokens
        ),
        "s3": s3,
        "bucket": RawBucket(bucket=variable("S3_BUCKET"), prefix=variable("S3_PREFIX"), s3=s3),
        "postgres": Postgres(url=variable("DATABASE_URL")),
    }


def definitions() -> dg.Definitions:
    """Assets, jobs, schedules and sensors, with the resources that the settings describe now."""
    return dg.Definitions(
        assets=[raw_activities, strava_activity],
        jobs=[sync_hours, reconcile_history, purge_athlete, prune_old_activities],
        schedules=[closed_hours, daily_reconciliation, prune_daily],
        sensors=[strava_changes, strava_events],
        resources=resources(),
        # A two-asset hour is too small to pay for a process per step.
        executor=dg.in_process_executor,
    )


defs = definitions()
