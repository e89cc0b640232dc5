"""Runs of the real assets, on an ephemeral instance, for the tests."""

from collections.abc import Mapping
from datetime import datetime

import dagster as dg

from strava_assets.definitions import resources
from strava_assets.defs.assets import raw_activities, strava_activity
from strava_assets.defs.run_tags import range_tags
from strava_assets.hours import Window


def run(
    window: Window | datetime,
    *,
    tags: Mapping[str, str] | None = None,
    select: str = "*",
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialise both assets, or those selected, for a window or one hour."""
    window = window if isinstance(window, Window) else Window.of(window, window)
    return dg.materialize(
        [raw_activities, strava_activity],
        resources=resources(),
        tags={**range_tags(window), **(tags or {})},
        selection=None if select == "*" else select,
        raise_on_error=False,
        instance=instance,
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
