"""The old name of `instance.event_log`, for a dagster.yaml of version 0.1; gone in 0.3."""

import warnings

from strava_assets.instance.event_log import BulkPostgresStorage

__all__ = ["BulkPostgresStorage"]

warnings.warn(
    "dagster.yaml names strava_assets.event_log; write strava_assets.instance.event_log.", FutureWarning, stacklevel=2
)
