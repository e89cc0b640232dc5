"""Jobs that delete: all that is kept of one athlete, and what is older than it may be.

https://docs.dagster.io/guides/build/jobs
"""

from datetime import UTC, datetime

import dagster as dg

from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens
from strava_assets.deletion.purge import Purger
from strava_assets.deletion.retention import prune
from strava_assets.errors import StravaAssetsError
from strava_assets.instance.event_redaction import erase_athlete, erase_previews_before
from strava_assets.settings import Settings
from strava_assets.state.revocations import Revocations


class PurgeConfig(dg.Config):
    """Whose data is deleted."""

    athlete_id: int
    only_if_revoked: bool = False
    """Do nothing if the athlete has logged in again since the revocation."""


@dg.op(description="Deletes everything that is kept of an athlete, and checks that nothing is left.")
def purge_everything(
    context: dg.OpExecutionContext, config: PurgeConfig, tokens: RedisTokens, bucket: RawBucket, postgres: Postgres
) -> None:
    """Purge the athlete, as `strava-assets purge` does."""
    redis = tokens.connect()
    purger = Purger(
        postgres.open(), bucket.open_deletion(), redis, lambda athlete_id: erase_athlete(context.instance, athlete_id)
    )
    try:
        if config.only_if_revoked and config.athlete_id not in Revocations(redis).athletes():
            context.log.info("Athlete %s is not marked as revoked any more: nothing to do.", config.athlete_id)
            return
        context.log.info("Athlete %s: deleted %s. Nothing is left.", config.athlete_id, purger.purge(config.athlete_id))
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


@dg.job(description="Deletes everything that is kept of one athlete, for good.")
def purge_athlete() -> None:
    """One op, whose config names the athlete."""
    purge_everything()


@dg.op(description="Deletes rows, rejects and raw objects older than STRAVA_RETENTION_DAYS.")
def prune_everything(context: dg.OpExecutionContext, bucket: RawBucket, postgres: Postgres) -> None:
    """Prune, where the retention setting says that something is not kept."""
    oldest_kept = Settings.from_environment().oldest_kept(datetime.now(UTC))
    if oldest_kept is None:
        context.log.info("STRAVA_RETENTION_DAYS is not set: everything is kept.")
        return
    try:
        pruned = prune(postgres.open(), bucket.open_deletion(), oldest_kept)
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    events = erase_previews_before(context.instance, oldest_kept)
    context.log.info("Before %s: deleted %s; previews of %s events.", oldest_kept, pruned, events)


@dg.job(description="Deletes what is older than the retention setting keeps; nothing where it is not set.")
def prune_old_activities() -> None:
    """One op, without config."""
    prune_everything()
