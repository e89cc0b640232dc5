"""Schedules: the hour that has just ended, and with it every hour missed since the last closed one.

Dagster itself catches up nothing after a downtime: only the newest tick runs.
https://docs.dagster.io/guides/automate/schedules
"""

from datetime import UTC, datetime, time, timedelta

import dagster as dg

from strava_assets.defs.jobs import Jobs
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import (
    NOT_BEFORE_TAG,
    REASON_TAG,
    RECONCILE,
    RETENTION,
    SCHEDULE,
    range_tags,
    reason_tags,
)
from strava_assets.defs.runs import UNDER_WAY
from strava_assets.hours import Window, from_partition_key
from strava_assets.settings import Settings

NO_APPLICATION = "STRAVA_CLIENT_ID is not set: nothing is fetched from Strava, bulk exports can be imported."

TRIES_OF_A_DAY = 50
"""More than a daily run has."""


def make_schedules(settings: Settings, names: Names, jobs: Jobs, *, start: bool) -> list[dg.ScheduleDefinition]:
    """Hourly, daily for deletions of the past, and daily for the retention setting; `start` turns them on."""
    status = dg.DefaultScheduleStatus.RUNNING if start else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=names.of("closed_hours"),
        job=jobs["sync_hours"],
        cron_schedule="2 * * * *",  # two minutes past: Strava needs a moment to process an upload
        execution_timezone="UTC",
        default_status=status,
        description="Fetches the hour that has just ended, and every hour missed before it, in one run.",
    )
    def closed_hours(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """One run from the first missing hour of STRAVA_LOOKBACK_DAYS to the hour that has just ended."""
        if not settings.client_id:
            return dg.SkipReason(NO_APPLICATION)
        now = context.scheduled_execution_time
        done = {from_partition_key(key) for key in context.instance.get_materialized_partitions(names.strava_activity)}
        if (window := hours_to_close(settings.closed_hours(now), done)) is None:
            return dg.SkipReason("No hour has ended since STRAVA_START_DATE.")
        return dg.RunRequest(run_key=str(window), tags={**range_tags(window), **reason_tags(SCHEDULE)})

    @dg.schedule(
        name=names.of("daily_reconciliation"),
        job=jobs["reconcile_history"],
        cron_schedule="17 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Compares the whole history with Strava once a day, at 03:17 UTC. If that fails, or the machine "
        "was off, it is tried again each hour until it succeeds.",
    )
    def daily_reconciliation(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """A run, where today's has not succeeded."""
        if not settings.client_id:
            return dg.SkipReason(NO_APPLICATION)
        return _once_a_day(context, jobs["reconcile_history"].name, time(3, 17), RECONCILE)

    @dg.schedule(
        name=names.of("daily_retention"),
        job=jobs["apply_retention"],
        cron_schedule="40 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Deletes what is older than STRAVA_RETENTION_DAYS, once a day.",
    )
    def daily_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """A run, where the retention setting is there and today's has not succeeded."""
        if settings.retention is None and settings.archive_retention is None:
            return dg.SkipReason("STRAVA_RETENTION_DAYS is not set: everything is kept.")
        return _once_a_day(context, jobs["apply_retention"].name, time(3, 40), RETENTION)

    return [closed_hours, daily_reconciliation, daily_retention]


def hours_to_close(closed: Window, done: set[datetime]) -> Window | None:
    """From the first closed hour that is not done to the last one, which may have been in progress when it was."""
    return closed.span_of_missing(done - {closed.last_hour})


def _once_a_day(
    context: dg.ScheduleEvaluationContext, job_name: str, moment: time, reason: str
) -> dg.RunRequest | dg.SkipReason:
    """A run, unless one since that moment of the day (UTC) succeeded, is under way, or waits for Strava's limit.

    A daily cron would not do: Dagster catches up no tick, and a failed run would come again a day later.
    """
    now = context.scheduled_execution_time.astimezone(UTC)
    since = datetime.combine(now.date(), moment, UTC)
    since -= timedelta(days=since > now)
    for record in context.instance.get_run_records(dg.RunsFilter(job_name=job_name), limit=TRIES_OF_A_DAY):
        run, began = record.dagster_run, record.start_time
        if run.status in UNDER_WAY:
            return dg.SkipReason("It is under way.")
        if began is None or began < since.timestamp():
            continue
        if run.status is dg.DagsterRunStatus.SUCCESS:
            return dg.SkipReason("Today's is done.")
        if (until := run.tags.get(NOT_BEFORE_TAG)) and datetime.fromisoformat(until) > now:
            return dg.SkipReason(f"Strava's rate limit is reached; retried after {until}.")
    return dg.RunRequest(tags={REASON_TAG: reason})  # the job itself says how urgent it is
