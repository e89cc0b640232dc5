"""Runs of the two assets: asked of the daemon, under way, or made right here."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg

from strava_assets.defs.assets import raw_activities
from strava_assets.defs.partitions import hourly
from strava_assets.defs.run_tags import FETCHED_TAG, range_tags, window_of_tags
from strava_assets.hours import Window, floor_to_hour
from strava_assets.settings import Settings

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def first_hour() -> datetime:
    """The hour of the first partition, or the oldest one that the retention setting keeps."""
    first = floor_to_hour(hourly.start.astimezone(UTC))
    return max(first, Settings.from_environment().oldest_kept(datetime.now(UTC)) or first)


def look_back(now: datetime, first: datetime) -> Window:
    """From the hour of `first`, though not before `first_hour`, to the end of the hour in progress."""
    return Window.of(max(floor_to_hour(first), first_hour()), floor_to_hour(now))


def request_for(window: Window, tags: Mapping[str, str] | None = None, *, job_name: str | None = None) -> dg.RunRequest:
    """A request for one run of the window, be it one hour or a range; sensors of several jobs must name the job."""
    return dg.RunRequest(tags={**range_tags(window), **(tags or {})}, job_name=job_name)


def windows_under_way(instance: dg.DagsterInstance) -> list[Window]:
    """The windows of all runs that are queued or not yet finished."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNDER_WAY))
    return [window for window in map(window_of_tags, (run.tags for run in runs)) if window]


def windows_yet_to_be_fetched(instance: dg.DagsterInstance) -> list[Window]:
    """The windows of runs that are queued and will ask Strava once they start: what is known now, they will find.

    Not so a run that only records an import, or only repeats the table after a crash.
    """
    queued = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    windows = (
        window_of_tags(run.tags)
        for run in queued
        if (run.step_keys_to_execute is None or "raw_activities" in run.step_keys_to_execute)
        and FETCHED_TAG not in run.tags
        and (run.asset_selection is None or raw_activities.key in run.asset_selection)
    )
    return [window for window in windows if window]


def not_under_way(windows: Iterable[Window], under_way: list[Window]) -> list[Window]:
    """The windows that no single run under way covers."""
    return [
        window
        for window in windows
        if not any(other.start <= window.start and window.end <= other.end for other in under_way)
    ]
