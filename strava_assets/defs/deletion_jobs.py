"""Jobs that delete, and what they may delete: only what the system itself knows to be due.

That is an athlete whose withdrawal of access was proven and is recorded in Redis, and what the retention setting no
longer keeps. They take no configuration: whoever launches one, with whatever arguments, deletes nothing else. Deleting
by hand is `strava-assets purge`.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from strava_assets.defs.failures import failures
from strava_assets.defs.names import Names
from strava_assets.defs.purging import compact_embedded, make_purger
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.run_tags import PRIORITIES, PRIORITY_TAG, PURGE, RETENTION
from strava_assets.deletion.purge import STILL_HELD
from strava_assets.deletion.retention import delete_old_activities, delete_old_archives
from strava_assets.errors import PermanentError, StravaAssetsError
from strava_assets.instance.event_redaction import blank_previews_before, compact_all, redact
from strava_assets.instance.redaction import Redaction
from strava_assets.mirror.compaction import compact_mirror
from strava_assets.settings import Settings
from strava_assets.state.owed_compaction import OwedCompaction
from strava_assets.state.revocations import Revocations


def make_deletion_jobs(settings: Settings, names: Names) -> dict[str, dg.JobDefinition]:
    """The jobs that delete, by their name without the prefix."""
    keys = set(resource_keys(names))

    @dg.op(
        name=names.of("purge_everything"),
        required_resource_keys=keys,
        description="Deletes everything that is kept of athletes who withdrew access, and checks that nothing is left.",
    )
    def purge_everything(context: dg.OpExecutionContext) -> None:
        _purge(context, settings, resources_of(context, names))

    @dg.job(
        name=names.of("purge_athlete"),
        executor_def=dg.in_process_executor,
        tags={PRIORITY_TAG: str(PRIORITIES[PURGE])},
        description="Deletes for good everything that is kept of each athlete whose withdrawal of access was proven. "
        "No other athlete can be named.",
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
        tags={PRIORITY_TAG: str(PRIORITIES[RETENTION])},
        description="Deletes what is older than STRAVA_RETENTION_DAYS; nothing if it is not set.",
    )
    def apply_retention() -> None:
        delete_old()

    return {"purge_athlete": purge_athlete, "apply_retention": apply_retention}


def _purge(context: dg.OpExecutionContext, settings: Settings, resources: Resources) -> None:
    """Purge whoever is due, each for themselves.

    Who is purged is not named, since what this run says is kept. Who is not is redacted when that is done again.
    """
    if settings.purge_on_revoke == "confirm":
        context.log.info("STRAVA_PURGE_ON_REVOKE is confirm: purges are left to strava-assets purge.")
        return
    errors: list[str] = []
    with failures():
        purger = make_purger(settings, resources, context.instance, context.run_id)
        due = Revocations(purger.redis).athletes()
        context.log.info("Athletes who withdrew access: %s.", len(due))
        for athlete_id in due:
            try:
                context.log.info("Deleted %s. Nothing is left. %s", purger.purge(athlete_id), STILL_HELD)
            except StravaAssetsError as error:
                errors.append(f"The purge of athlete {athlete_id} failed: {error}")
        if errors:
            raise PermanentError(" ".join(errors))


def _delete_old(context: dg.OpExecutionContext, settings: Settings, resources: Resources) -> None:
    """Delete what the retention setting does not keep, and have servers rewrite the files that held it.

    A run that is killed in between has deleted everything that a later one would find, so that one is told.
    """
    now = datetime.now(UTC)
    with failures():
        owed = OwedCompaction(resources.tokens.connect())
        was_interrupted, has_deleted = owed.note(), False
        if oldest_archived := settings.oldest_archived(now):
            has_deleted |= _delete_old_archives(context, resources, oldest_archived)
        if oldest_kept := settings.oldest_kept(now):
            has_deleted |= _delete_old_activities(context, resources, oldest_kept)
        else:
            context.log.info("STRAVA_RETENTION_DAYS is not set: everything is kept.")
        if has_deleted or was_interrupted:
            compact_mirror(resources.postgres.open())
            compact_embedded(settings)
        if was_interrupted:
            compact_all(context.instance)
        owed.settle()


def _delete_old_activities(context: dg.OpExecutionContext, resources: Resources, oldest_kept: datetime) -> bool:
    """Delete rows, rejects and raw objects; whether there were any."""
    deleted = delete_old_activities(
        resources.postgres.open(),
        resources.s3.open_deletion(),
        oldest_kept,
        partial(_redact_activities, context.instance),
    )
    events = blank_previews_before(context.instance, oldest_kept)
    context.log.info("Before %s: deleted %s; previews of %s events. %s", oldest_kept, deleted, events, STILL_HELD)
    return bool(deleted)


def _delete_old_archives(context: dg.OpExecutionContext, resources: Resources, oldest_kept: datetime) -> bool:
    """Delete what only bulk exports have of the time before; whether there was anything."""
    deleted = delete_old_archives(
        resources.postgres.open(),
        resources.s3.open_deletion(),
        oldest_kept,
        partial(_redact_activities, context.instance),
    )
    if deleted:
        blank_previews_before(context.instance, oldest_kept)
    context.log.info("Before %s: deleted %s activities that only bulk exports had.", oldest_kept, deleted)
    return bool(deleted)


def _redact_activities(instance: dg.DagsterInstance, ids: Collection[int]) -> None:
    redact(instance, Redaction(None, ids, blanks_previews=False))
