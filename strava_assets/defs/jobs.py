"""Jobs: the two assets for any hours, and the comparison of the whole history.

https://docs.dagster.io/guides/build/assets/asset-jobs
"""

from datetime import UTC, datetime

import dagster as dg

from strava_assets.defs.assets import SHORT_WAIT, raw_activities, strava_activity
from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens, Strava
from strava_assets.defs.runs import first_hour, look_back
from strava_assets.errors import StravaAssetsError
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.sync.compare import Comparer

sync_hours = dg.define_asset_job(
    "sync_hours",
    selection=dg.AssetSelection.assets(raw_activities, strava_activity),
    description="Fetch hours from Strava and mirror them: one run, whether it is one hour or five years.",
)


@dg.op(description="Lists the whole history, compares it with the mirror, and asks for the hours that differ.")
def compare_history(
    context: dg.OpExecutionContext, strava: Strava, bucket: RawBucket, postgres: Postgres, tokens: RedisTokens
) -> dg.Output[None]:
    """One comparison; the sensor `strava_events` turns what is asked for into runs."""
    now = datetime.now(UTC)
    try:
        with strava.open(may_use_reserve=False, max_wait=SHORT_WAIT, on_wait=context.log.info) as client:
            max_share = Settings.from_environment().max_delete_share
            comparer = Comparer(client, bucket.open(), postgres.open(), max_share)
            comparison = comparer.compare(look_back(now, first_hour()))
            requests = client.requests_made
        asked = RefetchQueue(tokens.connect())
        for window in comparison.windows:
            asked.ask(window, not_before=now)
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for trouble in comparison.errors.values():
        context.log.error(str(trouble))
    context.log.info("%s", comparison)
    found = {"listed": comparison.listed, "windows_asked": len(comparison.windows), "api_requests": requests}
    return dg.Output(None, metadata={**found, "found": str(comparison)})


@dg.job(description="Strava's terms want deletions followed within 48 hours: the whole history is compared daily.")
def reconcile_history() -> None:
    """Compare the history."""
    compare_history()
