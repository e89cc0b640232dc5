"""Runs of the two assets: requested, queued or under way."""

from collections.abc import Iterable, Mapping

import dagster as dg

from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG, range_tags, window_of_tags
from strava_assets.hours import Window

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def request_for(window: Window, names: Names, tags: Mapping[str, str] | None = None) -> dg.RunRequest:
    """A request for one run of the window, be it one hour or a range."""
    return dg.RunRequest(job_name=names.of("sync_hours"), tags={**range_tags(window), **(tags or {})})


def windows_under_way(instance: dg.DagsterInstance, names: Names) -> list[Window]:
    """The windows of all runs of these assets that are queued or not yet finished."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNDER_WAY))
    return [window for run in runs if _is_of(run, names) and (window := window_of_tags(run.tags))]


def windows_yet_to_be_fetched(instance: dg.DagsterInstance, names: Names) -> list[Window]:
    """The windows of runs that are queued and will ask Strava once they start: what is known now, they will find.

    Not so a run that only records an import, or only repeats the table after a crash.
    """
    queued = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    return [
        window
        for run in queued
        if _is_of(run, names)
        and (
            run.step_keys_to_execute is None or names.raw_activities.to_python_identifier() in run.step_keys_to_execute
        )
        and FETCHED_TAG not in run.tags
        and (window := window_of_tags(run.tags))
    ]


def not_under_way(windows: Iterable[Window], under_way: list[Window]) -> list[Window]:
    """The windows that no single run under way covers."""
    return [
        window
        for window in windows
        if not any(other.start <= window.start and window.end <= other.end for other in under_way)
    ]


def _is_of(run: dg.DagsterRun, names: Names) -> bool:
    """Whether the run fetches these assets, and not those of another platform in the same code location."""
    if run.asset_selection is None:
        return run.job_name == names.of("sync_hours")
    return names.raw_activities in run.asset_selection
