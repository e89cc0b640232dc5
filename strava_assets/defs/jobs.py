"""Jobs: the two assets for any hours, and the comparison of the whole history; with those that delete.

The executor is theirs, not the definitions': two code locations with different executors could not be merged.
https://docs.dagster.io/guides/build/jobs
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from redis import Redis

from strava_assets.defs.assets import SHORT_WAIT
from strava_assets.defs.deletion_jobs import make_deletion_jobs
from strava_assets.defs.failures import failures
from strava_assets.defs.names import Names
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.run_tags import COMPARISON_PRIORITY, NOT_BEFORE_TAG, PRIORITY_TAG, RECONCILE
from strava_assets.errors import RateLimitExceeded
from strava_assets.settings import Settings
from strava_assets.state.reconcile_progress import ReconcileProgress
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.resume_points import ResumePoints
from strava_assets.sync.compare import Comparison
from strava_assets.sync.reconciliation import Reconciliation

Jobs = dict[str, Any]
"""Job definitions; those of assets have a private class of Dagster's."""


def make_jobs(settings: Settings, names: Names) -> Jobs:
    """All jobs, by their name without the prefix."""
    keys = set(resource_keys(names))

    @dg.op(
        name=names.of("compare_history"),
        required_resource_keys=keys,
        description="Lists the whole history, compares it with the mirror, and requests the hours that differ.",
    )
    def compare_history(context: dg.OpExecutionContext) -> dg.Output[None]:
        return _compare_history(context, settings, resources_of(context, names))

    @dg.job(
        name=names.of("reconcile_history"),
        executor_def=dg.in_process_executor,
        tags={PRIORITY_TAG: str(COMPARISON_PRIORITY)},  # however it is launched
        description="Compares the whole history daily: Strava's terms require it for deletions, within 48 hours.",
    )
    def reconcile_history() -> None:
        compare_history()

    return {
        "sync_hours": dg.define_asset_job(
            names.of("sync_hours"),
            selection=dg.AssetSelection.assets(names.raw_activities, names.strava_activity),
            executor_def=dg.in_process_executor,  # a two-asset hour is too small to pay for a process per step
            description="Fetches hours from Strava and mirrors them in one run, one hour or five years.",
        ),
        "import_archive": dg.define_asset_job(
            names.of("import_archive"),
            selection=dg.AssetSelection.assets(names.raw_archive, names.strava_archive),
            executor_def=dg.in_process_executor,
            description="Imports the bulk export that the config of raw_archive names.",
        ),
        "reconcile_history": reconcile_history,
        **make_deletion_jobs(settings, names),
    }


def _compare_history(context: dg.OpExecutionContext, settings: Settings, resources: Resources) -> dg.Output[None]:
    """One comparison; the sensor `strava_events` turns what is requested into runs."""
    now, comparison = datetime.now(UTC), Comparison()
    with failures(), _retried_after_limit(context):
        redis = resources.tokens.connect()
        with resources.api.open(may_use_reserve=False, max_wait=SHORT_WAIT, on_wait=context.log.info) as client:
            reconciliation = Reconciliation(resources.comparer(settings, client), ReconcileProgress(redis))
            try:
                reconciliation.run(settings.hours_since(settings.start_date, now), comparison)
            finally:  # what was found before the limit was reached is not looked for again
                _request(redis, comparison)
            requests = client.requests_made
    for problem in comparison.problems:
        context.log.error(problem)
    context.log.info("%s", comparison)
    found = {"listed": comparison.listed, "windows_requested": len(comparison.windows), "api_requests": requests}
    return dg.Output(None, metadata={**found, "found": str(comparison)})


def _request(redis: Redis, comparison: Comparison) -> None:
    queue = RefetchQueue(redis)
    ResumePoints(redis).discard(comparison.windows)
    for window in comparison.windows:
        queue.request(window, RECONCILE, whole=comparison.undated)


@contextmanager
def _retried_after_limit(context: dg.OpExecutionContext) -> Iterator[None]:
    """Where Strava's rate limit is reached, tell the schedule, which requests the run again, until when."""
    try:
        yield
    except RateLimitExceeded as error:
        context.instance.add_run_tags(context.run_id, {NOT_BEFORE_TAG: error.until.isoformat(timespec="minutes")})
        raise
