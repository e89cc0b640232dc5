"""The job of the two assets, for schedules, sensors, backfills and commands.

https://docs.dagster.io/guides/build/assets/asset-jobs
"""

import dagster as dg

from strava_assets.assets import raw_activities, strava_activity

sync_hours = dg.define_asset_job(
    "sync_hours",
    selection=dg.AssetSelection.assets(raw_activities, strava_activity),
    description="Fetch hours from Strava and mirror them: one run, whether it is one hour or five years.",
)
