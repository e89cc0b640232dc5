"""The partitions of both assets: an hour of UTC, from STRAVA_START_DATE to the hour in progress.

https://docs.dagster.io/guides/build/partitions-and-backfills/partitioning-assets
"""

from datetime import UTC, datetime

import dagster as dg

from strava_assets.errors import PermanentError
from strava_assets.hours import PARTITION_KEY_FORMAT, Window
from strava_assets.settings import Settings


def hourly_partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """Every hour since the start date."""
    return dg.HourlyPartitionsDefinition(
        start_date=settings.start_date,
        timezone="UTC",
        fmt=PARTITION_KEY_FORMAT,
        end_offset=1,  # the hour in progress, so that an upload can be queried within a minute
    )


def hours_of(context: dg.AssetExecutionContext) -> Window:
    """The hours of a run's partitions: one, or a contiguous range."""
    span = context.partition_time_window
    return Window(span.start, span.end)


def window_of(context: dg.AssetExecutionContext, settings: Settings) -> Window:
    """The hours of a run's partitions that the retention setting keeps: a run of old ones does not bring them back.

    Raises PermanentError where there are none, or not all of them are partitions.
    """
    window = hours_of(context)
    if window.start >= window.end:
        # Dagster lets a reversed range "succeed" without doing anything.
        raise PermanentError("The range of partitions is empty. Give the earlier hour first: FROM...TO.")
    if window.start < settings.start_date:
        raise PermanentError(f"{window} begins before the first partition; STRAVA_START_DATE moves it.")
    oldest = settings.oldest_kept(datetime.now(UTC))
    if oldest is None or oldest <= window.start:
        return window
    if oldest >= window.end:
        raise PermanentError(
            f"{window} is older than STRAVA_RETENTION_DAYS keeps, so it is neither fetched nor mirrored."
        )
    return Window(oldest, window.end)
