"""The seam to Dagster: everything is made from a Settings value, so that two platforms fit into one code location."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from strava_assets.defs.analytics import make_analytics_assets, make_report_job, make_report_sensor
from strava_assets.defs.archive import make_archive_assets
from strava_assets.defs.assets import make_assets
from strava_assets.defs.jobs import make_jobs
from strava_assets.defs.names import Names
from strava_assets.defs.partitions import hourly_partitions
from strava_assets.defs.resources import registered
from strava_assets.defs.schedules import make_schedules
from strava_assets.defs.sensors import make_sensors
from strava_assets.settings import Settings


def build_definitions(
    settings: Settings,
    *,
    key_prefix: Sequence[str] = (),
    group: str = "strava",
    name_prefix: str = "",
    resources: Mapping[str, Any] | None = None,
    start: bool = True,
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors for these settings, and the resources they work with.

    `key_prefix` comes before the assets' keys, `name_prefix` (letters, digits and underscores) before all other names;
    a second platform in the same code location needs both. `resources` replaces some of the four resources, by their
    registered names (`strava_api`, `strava_tokens`, `strava_s3`, `strava_postgres`, after the prefix), or adds some.
    Schedules and sensors are on by default, unless `start` is False. Nothing else reads the environment.
    """
    names = Names(tuple(key_prefix), group, name_prefix)
    with warnings.catch_warnings():
        # That a parameter is in beta concerns whoever raises the pinned version, not everybody who runs a command.
        warnings.simplefilter("ignore", dg.BetaWarning)
        jobs = make_jobs(settings, names)
        reports = make_report_job(names)
        return dg.Definitions(
            assets=[
                *make_assets(settings, names, hourly_partitions(settings)),
                *make_archive_assets(settings, names),
                *make_analytics_assets(names),
            ],
            jobs=[*jobs.values(), reports],
            schedules=make_schedules(settings, names, jobs, start=start),
            sensors=[
                *make_sensors(settings, names, jobs, start=start),
                make_report_sensor(names, reports, start=start),
            ],
            resources={**registered(settings, names), **(resources or {})},
        )
