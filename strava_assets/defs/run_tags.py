"""The tags by which runs are told apart, and the hours that a run's tags name."""

from collections.abc import Mapping

from strava_assets.hours import HOUR, Window, from_partition_key, partition_key

HOURLY_RUN_TAG = "strava_assets/hourly"
"""Marks the schedule's runs, the only ones that may use the reserve of Strava's request window."""


FETCHED_TAG = "strava_assets/fetched_at"
"""Marks a run that records what an import has just fetched, so that it need not fetch it again."""


def range_tags(window: Window) -> dict[str, str]:
    """The two tags by which Dagster makes one run of a range of partitions."""
    hours = list(window.hours())
    return {
        "dagster/asset_partition_range_start": partition_key(hours[0]),
        "dagster/asset_partition_range_end": partition_key(hours[-1]),
    }


def window_of_tags(tags: Mapping[str, str]) -> Window | None:
    """The hours that a run's tags name; None for a run of something else."""
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    last = tags.get("dagster/asset_partition_range_end") or first
    try:
        return Window(from_partition_key(first), from_partition_key(last) + HOUR) if first and last else None
    except ValueError:
        return None  # a run of something else than hours
