"""Runs of the real assets, on an ephemeral instance, for the tests."""

from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from strava_assets.defs.assets import make_assets
from strava_assets.defs.build import build_definitions
from strava_assets.defs.names import Names
from strava_assets.defs.partitions import hourly_partitions
from strava_assets.defs.resources import registered
from strava_assets.defs.run_tags import range_tags
from strava_assets.hours import Window
from strava_assets.settings import Settings


def run(
    window: Window | datetime,
    *,
    tags: Mapping[str, str] | None = None,
    select: str = "*",
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialise both assets, or those selected, for a window or one hour."""
    window = window if isinstance(window, Window) else Window.of(window, window)
    settings, names = Settings.from_environment(), Names()
    return dg.materialize(
        make_assets(settings, names, hourly_partitions(settings)),
        resources=registered(settings, names),
        tags={**range_tags(window), **(tags or {})},
        selection=None if select == "*" else select,
        raise_on_error=False,
        instance=instance,
    )


def tick(sensor: str, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One tick of the sensor, with the environment's settings, as the daemon evaluates it."""
    settings = Settings.from_environment()
    definitions = build_definitions(settings)
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources=registered(settings, Names()),
        repository_def=definitions.get_repository_def(),
    ) as context:
        found = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
    return dg.SensorResult(
        run_requests=found.run_requests,
        skip_reason=dg.SkipReason(found.skip_message) if found.skip_message else None,
        cursor=found.cursor,
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """The metadata of the asset's last materialisation in the run."""
    events = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in events[-1].metadata.items()}


def problem(result: dg.ExecuteInProcessResult) -> str:
    """The first line of what made the run fail."""
    failures = [event for event in result.all_events if event.is_step_failure]
    text = failures[0].step_failure_data.error_display_string
    return text.partition("\n")[0].removeprefix("dagster._core.definitions.events.Failure: ")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str | None]]:
    """Each check's outcome and sentence."""
    return {each.check_name: (each.passed, each.description) for each in result.get_asset_check_evaluations()}
