"""Which of the last days' hours have not been materialised yet."""

from datetime import datetime, timedelta

from sqlalchemy import create_engine, text

from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key, partition_key
from strava_assets.settings import Settings

FIRST_START_DAYS = timedelta(days=30)
"""What is fetched when everything is started for the first time."""

# Asking Dagster itself would cost the import of it, two seconds at every start.
_MATERIALIZED = text(
    """
    SELECT DISTINCT partition FROM event_logs
    WHERE asset_key = '["strava_activity"]' AND dagster_event_type = 'ASSET_MATERIALIZATION'
    AND partition BETWEEN :first AND :last
    """
)


def missing_hours(settings: Settings, now: datetime) -> Window | None:
    """The window from the first to the last missing hour of the last 30 days, the hour in progress left out."""
    last = floor_to_hour(now) - HOUR
    window = Window.of(max(settings.start_date, last - FIRST_START_DAYS), last)
    engine = create_engine(settings.dagster_postgres_url)
    try:
        with engine.connect() as connection:
            keys = {"first": partition_key(window.start), "last": partition_key(last)}
            done = {from_partition_key(key) for key in connection.scalars(_MATERIALIZED, keys)}
    finally:
        engine.dispose()
    missing = [hour for hour in window.hours() if hour not in done]
    return Window.of(missing[0], missing[-1]) if missing else None
