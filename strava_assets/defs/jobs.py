"""Jobs: the two assets for any hours, the comparison of the whole history, and those that delete.

The executor is theirs, not the definitions': two code locations with different executors could not be merged.
https://docs.dagster.io/guides/build/jobs
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from strava_assets.defs.assets import SHORT_WAIT
from strava_assets.defs.failures import failures
from strava_assets.defs.names import Names
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.deletion.purge import Purger
from strava_assets.deletion.retention import prune, prune_archives
from strava_assets.instance.event_redaction import erase_athlete, erase_previews_before
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.resume_points import ResumePoints
from strava_assets.state.revocations import Revocations
from strava_assets.sync.compare import Comparer

Jobs = dict[str, Any]
"""Job definitions; those of assets have a private class of Dagster's."""


class PurgeConfig(dg.Config):
    """Whose data is deleted."""

    athlete_id: int
    only_if_revoked: bool = False
    """Do nothing if the athlete has logged in again since the revocation."""


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
        description="Compares the whole history daily: Strava's terms want deletions followed within 48 hours.",
    )
    def reconcile_history() -> None:
        compare_history()

    @dg.op(
        name=names.of("purge_everything"),
        required_resource_keys=keys,
        description="Deletes everything that is kept of an athlete, and checks that nothing is left.",
    )
    def purge_everything(context: dg.OpExecutionContext, config: PurgeConfig) -> None:
        _purge(context, config, resources_of(context, names))

    @dg.job(
        name=names.of("purge_athlete"),
        executor_def=dg.in_process_executor,
        description="Deletes everything that is kept of one athlete, for good.",
    )
    def purge_athlete() -> None:
        purge_everything()

    @dg.op(
        name=names.of("delete_old"),
        required_resource_keys=keys,
        description="Deletes rows, rejects and raw objects older than STRAVA_RETENTION_DAYS.",
    )
    def delete_old(context: dg.OpExecutionContext) -> None:
        _delete_old(context, settings, resources_of(context, names))

    @dg.job(
        name=names.of("apply_retention"),
        executor_def=dg.in_process_executor,
        description="Deletes what is older than the retention setting keeps; nothing where it is not set.",
    )
    def apply_retention() -> None:
        delete_old()

    return {
        "sync_hours": dg.define_asset_job(
            names.of("sync_hours"),
            selection=dg.AssetSelection.assets(names.raw_activities, names.strava_activity),
            executor_def=dg.in_process_executor,  # a two-asset hour is too small to pay for a process per step
            description="Fetch hours from Strava and mirror them: one run, whether it is one hour or five years.",
        ),
        "import_archive": dg.define_asset_job(
            names.of("import_archive"),
            selection=dg.AssetSelection.assets(names.raw_archive, names.strava_archive),
            executor_def=dg.in_process_executor,
            description="Import a bulk export: the config of raw_archive names it.",
        ),
        "reconcile_history": reconcile_history,
        "purge_athlete": purge_athlete,
        "apply_retention": apply_retention,
    }


def _compare_history(context: dg.OpExecutionContext, settings: Settings, resources: Resources) -> dg.Output[None]:
    """One comparison; the sensor `strava_events` turns what is requested into runs."""
    now = datetime.now(UTC)
    with failures():
        with resources.api.open(may_use_reserve=False, max_wait=SHORT_WAIT, on_wait=context.log.info) as client:
            comparer = Comparer(client, resources.s3.open(), resources.postgres.open(), settings.max_delete_share)
            comparison = comparer.compare(settings.hours_since(settings.start_date, now))
            requests = client.requests_made
        redis = resources.tokens.connect()
        queue = RefetchQueue(redis)
        ResumePoints(redis).discard(comparison.windows)
        for window in comparison.windows:
            queue.ask(window, not_before=now)
    for problem in comparison.problems:
        context.log.error(problem)
    context.log.info("%s", comparison)
    found = {"listed": comparison.listed, "windows_requested": len(comparison.windows), "api_requests": requests}
    return dg.Output(None, metadata={**found, "found": str(comparison)})


def _purge(context: dg.OpExecutionContext, config: PurgeConfig, resources: Resources) -> None:
    """Purge the athlete, as `strava-assets purge` does."""
    with failures():
        redis = resources.tokens.connect()
        purger = Purger(
            resources.postgres.open(),
            resources.s3.open_deletion(),
            redis,
            lambda athlete_id: erase_athlete(context.instance, athlete_id),
        )
        if config.only_if_revoked and config.athlete_id not in Revocations(redis).athletes():
            context.log.info("Athlete %s is not marked as revoked any more: nothing to do.", config.athlete_id)
            return
        context.log.info("Athlete %s: deleted %s. Nothing is left.", config.athlete_id, purger.purge(config.athlete_id))


def _delete_old(context: dg.OpExecutionContext, settings: Settings, resources: Resources) -> None:
    """Delete, where the retention setting says that something is not kept."""
    now = datetime.now(UTC)
    if oldest_archived := settings.oldest_archived(now):
        with failures():
            archived = prune_archives(resources.postgres.open(), resources.s3.open_deletion(), oldest_archived)
        context.log.info("Before %s: deleted %s activities that only bulk exports had.", oldest_archived, archived)
    oldest_kept = settings.oldest_kept(now)
    if oldest_kept is None:
        context.log.info("STRAVA_RETENTION_DAYS is not set: everything is kept.")
        return
    with failures():
        deleted = prune(resources.postgres.open(), resources.s3.open_deletion(), oldest_kept)
        events = erase_previews_before(context.instance, oldest_kept)
    context.log.info("Before %s: deleted %s; previews of %s events.", oldest_kept, deleted, events)
