"""Which hours of the look-back have not been materialised yet."""

from datetime import datetime

from sqlalchemy import create_engine, text

from strava_assets.hours import Window, from_partition_key, partition_key
from strava_assets.settings import Settings

# Asking Dagster itself would cost the import of it, two seconds at every start.
_MATERIALIZED = text(
    """
    SELECT DISTINCT partition FROM event_logs
    WHERE asset_key = '["strava_activity"]' AND dagster_event_type = 'ASSET_MATERIALIZATION'
    AND partition BETWEEN :first AND :last
    """
)


def missing_hours(settings: Settings, now: datetime) -> Window | None:
    """The window from the first to the last missing hour of STRAVA_LOOKBACK_DAYS, the hour in progress left out."""
    window = settings.closed_hours(now)
    engine = create_engine(settings.dagster_postgres_url)
    try:
        with engine.connect() as connection:
            keys = {"first": partition_key(window.start), "last": partition_key(window.last_hour)}
            done = {from_partition_key(key) for key in connection.scalars(_MATERIALIZED, keys)}
    finally:
        engine.dispose()
    return window.span_of_missing(done)
