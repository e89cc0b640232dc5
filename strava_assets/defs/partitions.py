"""The partitions of both assets: an hour of UTC, from STRAVA_START_DATE to the hour in progress.

https://docs.dagster.io/guides/build/partitions-and-backfills/partitioning-assets
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from strava_assets.errors import PermanentError
from strava_assets.hours import PARTITION_KEY_FORMAT, Window, from_partition_key
from strava_assets.settings import Settings


def hourly_partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """Every hour since the start date."""
    return dg.HourlyPartitionsDefinition(
        start_date=settings.start_date,
        timezone="UTC",
        fmt=PARTITION_KEY_FORMAT,
        end_offset=1,  # the hour in progress, so that an upload can be queried within a minute
    )


def window_of(partition_keys: Sequence[str], settings: Settings) -> Window:
    """The window that a run's partitions cover: one hour, or a contiguous range.

    What the retention setting no longer keeps is cut off, so that a run of old hours does not bring it back. Raises
    PermanentError where nothing is left.
    """
    if not partition_keys:
        # A reversed range has no keys, and would otherwise "succeed" without doing anything.
        raise PermanentError("The range of partitions is empty. Give the earlier hour first: FROM...TO.")
    window = Window.of(from_partition_key(partition_keys[0]), from_partition_key(partition_keys[-1]))
    oldest = settings.oldest_kept(datetime.now(UTC))
    if oldest is None or oldest <= window.start:
        return window
    if oldest >= window.end:
        raise PermanentError(
            f"{window} is older than STRAVA_RETENTION_DAYS keeps, so it is neither fetched nor mirrored."
        )
    return Window(oldest, window.end)
