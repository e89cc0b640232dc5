"""What Dagster loads: the platform that the environment's settings describe, each step in the run's own process."""

import dagster as dg

from strava_assets.defs.build import build_definitions
from strava_assets.settings import Settings

defs = dg.Definitions.merge(
    build_definitions(Settings.from_environment()), dg.Definitions(executor=dg.in_process_executor)
)
