"""Runs of the two assets: requested, queued, under way, or over."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG, REASON_TAG, range_tags, reason_tags, window_of_tags
from strava_assets.hours import Window
from strava_assets.sync.attempts import Attempt, Outcome

NEWEST_RUNS = 1000
"""The runs that are looked at; what an older one fetched is fetched again."""

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""The statuses of runs that are not over."""

UNDER_WAY_FOR = timedelta(days=1)
"""After that a run is not counted as under way: a Dagster without run monitoring keeps dead ones "started" for good."""

OUTCOMES = {
    dg.DagsterRunStatus.QUEUED: Outcome.WAITING,
    dg.DagsterRunStatus.NOT_STARTED: Outcome.WAITING,
    dg.DagsterRunStatus.STARTING: Outcome.WAITING,
    dg.DagsterRunStatus.STARTED: Outcome.RUNNING,
    dg.DagsterRunStatus.SUCCESS: Outcome.FETCHED,
    dg.DagsterRunStatus.FAILURE: Outcome.FAILED,
    dg.DagsterRunStatus.CANCELED: Outcome.FAILED,
}
"""One that is being cancelled is none of these, until it is."""


def request_for(window: Window, names: Names, reason: str) -> dg.RunRequest:
    """A request for one run of the window, be it one hour or a range."""
    return dg.RunRequest(job_name=names.of("sync_hours"), tags={**range_tags(window), **reason_tags(reason)})


def attempts(instance: dg.DagsterInstance, names: Names, since: datetime) -> list[Attempt]:
    """The runs that fetch and load hours and are not over, or were updated later than `since`.

    Not one that only records an import, or only repeats the table after a crash.
    """
    records = [
        *instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY), limit=NEWEST_RUNS),
        # Dagster compares with the database's own clock and zone, so the exact moment is compared below.
        *instance.get_run_records(dg.RunsFilter(updated_after=since - timedelta(days=1)), limit=NEWEST_RUNS),
    ]
    by_id = {record.dagster_run.run_id: record for record in records if fetches(record.dagster_run, names)}
    return [
        Attempt(window, OUTCOMES[record.dagster_run.status], _moment(record.start_time), _moment(record.end_time))
        for record in by_id.values()
        if record.dagster_run.status in OUTCOMES and (window := window_of_tags(record.dagster_run.tags))
    ]


def count_under_way(instance: dg.DagsterInstance, names: Names, reasons: Sequence[str]) -> int:
    """How many runs of these reasons are queued or under way; older ones died where nothing looks after runs."""
    filters = dg.RunsFilter(
        created_after=datetime.now(UTC) - UNDER_WAY_FOR,
        job_name=names.of("sync_hours"),
        statuses=UNDER_WAY,
        tags={REASON_TAG: list(reasons)},
    )
    return instance.get_runs_count(filters)


def fetches(run: dg.DagsterRun, names: Names) -> bool:
    """Whether the run asks Strava for hours of these assets, not of another platform's in the same code location."""
    if FETCHED_TAG in run.tags:
        return False
    steps = run.step_keys_to_execute
    if steps is not None and names.raw_activities.to_python_identifier() not in steps:
        return False
    if not run.asset_selection:
        return run.job_name == names.of("sync_hours")
    return {names.raw_activities, names.strava_activity} <= run.asset_selection


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
