"""The tags by which runs are told apart, and the hours that a run's tags name.

Dagster's UI hides tags that begin with `.dagster/`: those that concern only this project's machinery.
"""

from collections.abc import Mapping

from strava_assets.hours import Window, from_partition_key, partition_key

REASON_TAG = "strava_assets/reason"
"""Why a run is there, one of the words below."""

SCHEDULE = "schedule"
"""The schedule's runs, the only ones that may use the reserve of Strava's rate limit."""

PURGE, EVENTS, CHANGES, RATE_LIMIT, RECONCILE, IMPORT, RETENTION, REPORT, START, BY_HAND = (
    "purge",
    "events",
    "changes",
    "rate limit",
    "reconcile",
    "import",
    "retention",
    "report",
    "start",  # the hours that are missing when `strava-assets up` starts
    "by hand",
)

PRIORITY_TAG = "dagster/priority"

PRIORITIES = {SCHEDULE: 10, PURGE: 8, EVENTS: 6, RECONCILE: 5, RETENTION: 5, CHANGES: 4, RATE_LIMIT: 2}
"""Which of the queued runs is next. Hours launched by hand have 0."""

COMPARISON_PRIORITY = 7
"""Of the daily comparison itself, which takes seconds: deletions that it finds are owed within 48 hours."""

FETCHED_TAG = ".dagster/strava_assets/fetched_at"
"""Marks a run that records what an import has just fetched, so that it need not fetch it again."""

IMPORTED_TAG = ".dagster/strava_assets/imported"
"""On such a run: the sums of the import in JSON, which the run itself finds done."""

NOT_BEFORE_TAG = ".dagster/strava_assets/not_before"
"""On a run that met Strava's rate limit: before when it need not be tried again."""


def reason_tags(reason: str) -> dict[str, str]:
    """The tags that say why a run is there, and how urgent it is."""
    return {REASON_TAG: reason, PRIORITY_TAG: str(PRIORITIES.get(reason, 0))}


def range_tags(window: Window) -> dict[str, str]:
    """The two tags by which Dagster makes one run of a range of partitions."""
    return {
        "dagster/asset_partition_range_start": partition_key(window.start),
        "dagster/asset_partition_range_end": partition_key(window.last_hour),
    }


def window_of_tags(tags: Mapping[str, str]) -> Window | None:
    """The hours that a run's tags name; None for a run of something else."""
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    last = tags.get("dagster/asset_partition_range_end") or first
    try:
        return Window.of(from_partition_key(first), from_partition_key(last)) if first and last else None
    except ValueError:
        return None  # a run of something else than hours
