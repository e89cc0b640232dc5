"""The metadata of runs in Dagster: one name for one thing, whatever the run's length."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from strava_assets.defs.partitions import hours_of
from strava_assets.defs.run_tags import IMPORTED_TAG
from strava_assets.errors import StravaAssetsError
from strava_assets.hours import HOUR, Window, partition_key
from strava_assets.instance.personal_metadata import athlete_label
from strava_assets.raw.store import RawStore
from strava_assets.sync.fetch import Fetched

MAX_DETAILED_HOURS = 500
"""Hours of a range that get metadata of their own; Dagster's cost of it grows with the square."""

ROW_COUNT = "dagster/partition_row_count"
"""Dagster's own name for the rows of a partition."""


def result(
    context: dg.AssetExecutionContext,
    window: Window,
    summary: dict[str, Any],
    check_results: list[dg.AssetCheckResult],
) -> dg.MaterializeResult:
    """The result of a run; a range's summary stands at its last hour, under the same names, beside its `hours`.

    Dagster would copy a result's metadata into the event of each of 43,800 hours.
    """
    partitions = hours_of(context)
    if partitions.is_single_hour:
        return dg.MaterializeResult(metadata=summary, check_results=check_results)
    of_range = {name: value for name, value in summary.items() if name != ROW_COUNT}  # it is about one partition
    context.add_asset_metadata({"hours": str(window), **of_range}, partition_key=partition_key(partitions.last_hour))
    counts = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in of_range.items() if type(value) is int)
    number = (partitions.end - partitions.start) // HOUR
    context.log.info("Done for %s (%s). Recording %s hours in Dagster.", window, counts, number)
    return dg.MaterializeResult(check_results=check_results)


def fetch_summary(fetched: Fetched) -> dict[str, Any]:
    """What a fetch brought, all athletes together."""
    return {
        "activities": fetched.activities.total(),
        "athletes": len(fetched.athletes),
        "objects_written": fetched.written.objects,
        "objects_unchanged": fetched.written.unchanged,
        "bytes_written": fetched.written.bytes,
        **{
            athlete_label(
                "resumed", athlete_id
            ): f"everything before {reached:%Y-%m-%d %H:%M} UTC was fetched by an earlier try"
            for athlete_id, reached in fetched.resumed.items()
        },
        **athlete_errors(fetched.held_back | fetched.errors),
    }


def imported_sums(tags: Mapping[str, str], *names: str) -> dict[str, int]:
    """Of these sums, what the import says whose hours a run records; empty for any other run."""
    sums = json.loads(tags.get(IMPORTED_TAG, "{}"))
    return {name: sums[name] for name in names if name in sums}


def report_rows(context: dg.AssetExecutionContext, rows: Mapping[datetime, int]) -> None:
    """Each hour of a range says how many rows it has."""
    for hour, count in rows.items():
        context.add_asset_metadata({ROW_COUNT: count, "rows": count}, partition_key=partition_key(hour))


def athlete_errors(errors: Mapping[int, StravaAssetsError]) -> dict[str, Any]:
    """A sentence for each athlete who could not be fetched or loaded."""
    return {athlete_label("error", athlete_id): str(error) for athlete_id, error in errors.items()}


def report_hours(
    context: dg.AssetExecutionContext, store: RawStore, name: str, amounts: Mapping[tuple[int, datetime], int]
) -> None:
    """Each hour in which athletes have activities says how many, or of how many bytes, and links to its objects."""
    hours: dict[datetime, dict[str, Any]] = {}
    for (athlete_id, hour), amount in sorted(amounts.items(), key=lambda item: item[0][1], reverse=True):
        if amount and (hour in hours or len(hours) < MAX_DETAILED_HOURS):
            details = hours.setdefault(hour, {name: 0})
            details[name] += amount
            details[athlete_label("object", athlete_id)] = dg.MetadataValue.url(store.url(athlete_id, hour))
    for hour, details in hours.items():
        context.add_asset_metadata(details, partition_key=partition_key(hour))
