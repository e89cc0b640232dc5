"""Schedules: the hour that has just ended, and with it every hour missed since the last closed one.

Dagster itself catches up nothing after a downtime: only the newest tick runs.
https://docs.dagster.io/guides/automate/schedules
"""

from datetime import datetime

import dagster as dg

from strava_assets.defs.assets import strava_activity
from strava_assets.defs.deletion_jobs import prune_old_activities
from strava_assets.defs.jobs import reconcile_history, sync_hours
from strava_assets.defs.run_tags import HOURLY_RUN_TAG, range_tags
from strava_assets.defs.runs import first_hour
from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key
from strava_assets.settings import Settings


@dg.schedule(
    job=sync_hours,
    cron_schedule="2 * * * *",  # two minutes past: Strava needs a moment to process an upload
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Closes the hour that has just ended, and every hour missed before it, as one run.",
)
def closed_hours(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run from the first hour of the look-back that is missing to the hour that has just ended."""
    last = floor_to_hour(context.scheduled_execution_time) - HOUR
    done = {from_partition_key(key) for key in context.instance.get_materialized_partitions(strava_activity.key)}
    earliest = max(first_hour(), last - Settings.from_environment().lookback)
    window = hours_to_close(last, done, earliest)
    return dg.RunRequest(run_key=str(window), tags={**range_tags(window), HOURLY_RUN_TAG: "true"})


def hours_to_close(last: datetime, done: set[datetime], earliest: datetime) -> Window:
    """From the first hour since `earliest` that is not done to `last`, which is closed in any case."""
    missing = (hour for hour in Window.of(earliest, last).hours() if hour not in done)
    return Window.of(next(missing, last), last)


daily_reconciliation = dg.ScheduleDefinition(
    job=reconcile_history,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compares the whole history with Strava once a day.",
)


@dg.schedule(
    job=prune_old_activities,
    cron_schedule="40 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes, once a day, what is older than STRAVA_RETENTION_DAYS.",
)
def prune_daily() -> dg.RunRequest | dg.SkipReason:
    """A run, where the retention setting is there."""
    if Settings.from_environment().retention is None:
        return dg.SkipReason("STRAVA_RETENTION_DAYS is not set: everything is kept.")
    return dg.RunRequest()
