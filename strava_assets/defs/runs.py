"""Runs of the two assets: asked of the daemon, under way, or made right here."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from strava_assets.defs.assets import FETCHED_TAG, raw_activities
from strava_assets.defs.partitions import hourly, range_tags
from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key
from strava_assets.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The configuration of a run whose caller shows what matters."""

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
    return [window for window in map(_window_of_tags, (run.tags for run in runs)) if window]


def windows_yet_to_be_fetched(instance: dg.DagsterInstance) -> list[Window]:
    """The windows of runs that are queued and will ask Strava once they start: what is known now, they will find.

    Not so a run that only records an import, or only repeats the table after a crash.
    """
    queued = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    windows = (
        _window_of_tags(run.tags)
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


def _window_of_tags(tags: Mapping[str, str]) -> Window | None:
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    last = tags.get("dagster/asset_partition_range_end") or first
    try:
        return Window(from_partition_key(first), from_partition_key(last) + HOUR) if first and last else None
    except ValueError:
        return None  # a run of something else than hours


def materialise(instance: dg.DagsterInstance, window: Window, tags: Mapping[str, str] | None = None) -> str | None:
    """Run both assets for the window in this process, past the daemon's queue; None, or why it failed."""
    # Imported here: the definitions import this module.
    from strava_assets.definitions import definitions  # noqa: PLC0415

    job = definitions().resolve_job_def("sync_hours")
    run = instance.create_run_for_job(job, tags={**range_tags(window), **(tags or {})}, run_config=QUIET)
    has_succeeded, reason = False, "it was stopped"
    # The public execute_in_process keeps every event of every hour until the end, 3 kB an hour.
    for event in execute_run_iterator(InMemoryJob(job), run, instance):
        has_succeeded = has_succeeded or event.is_job_success
        if event.is_step_failure:
            reason = event.step_failure_data.error_display_string
    if has_succeeded:
        return None
    return reason.partition("\n")[0].removeprefix("dagster._core.definitions.events.Failure: ")
