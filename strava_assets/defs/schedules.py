"""Schedules: the hour that has just ended, and with it every hour missed since the last closed one.

Dagster itself catches up nothing after a downtime: only the newest tick runs.
https://docs.dagster.io/guides/automate/schedules
"""

from datetime import datetime

import dagster as dg

from strava_assets.defs.jobs import Jobs
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import HOURLY_RUN_TAG, range_tags
from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key
from strava_assets.settings import Settings

NO_APPLICATION = "STRAVA_CLIENT_ID is not set: nothing is fetched from Strava, bulk exports can be imported."


def make_schedules(settings: Settings, names: Names, jobs: Jobs, *, start: bool) -> list[dg.ScheduleDefinition]:
    """Hourly, daily for deletions of the past, and daily for the retention setting; `start` turns them on."""
    status = dg.DefaultScheduleStatus.RUNNING if start else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=names.of("closed_hours"),
        job=jobs["sync_hours"],
        cron_schedule="2 * * * *",  # two minutes past: Strava needs a moment to process an upload
        execution_timezone="UTC",
        default_status=status,
        description="Closes the hour that has just ended, and every hour missed before it, as one run.",
    )
    def closed_hours(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """One run from the first hour of the look-back that is missing to the hour that has just ended."""
        if not settings.client_id:
            return dg.SkipReason(NO_APPLICATION)
        now = context.scheduled_execution_time
        last = floor_to_hour(now) - HOUR
        done = {from_partition_key(key) for key in context.instance.get_materialized_partitions(names.strava_activity)}
        window = hours_to_close(last, done, max(settings.first_hour(now), last - settings.lookback))
        return dg.RunRequest(run_key=str(window), tags={**range_tags(window), HOURLY_RUN_TAG: "true"})

    daily_reconciliation = dg.ScheduleDefinition(
        name=names.of("daily_reconciliation"),
        job=jobs["reconcile_history"],
        cron_schedule="17 3 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Compares the whole history with Strava once a day.",
        should_execute=lambda _: bool(settings.client_id),
    )

    @dg.schedule(
        name=names.of("daily_retention"),
        job=jobs["apply_retention"],
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Deletes, once a day, what is older than STRAVA_RETENTION_DAYS.",
    )
    def daily_retention() -> dg.RunRequest | dg.SkipReason:
        """A run, where the retention setting is there."""
        if settings.retention is None and settings.archive_retention is None:
            return dg.SkipReason("STRAVA_RETENTION_DAYS is not set: everything is kept.")
        return dg.RunRequest()

    return [closed_hours, daily_reconciliation, daily_retention]


def hours_to_close(last: datetime, done: set[datetime], earliest: datetime) -> Window:
    """From the first hour since `earliest` that is not done to `last`, which is closed in any case."""
    missing = (hour for hour in Window.of(earliest, last).hours() if hour not in done)
    return Window.of(next(missing, last), last)
