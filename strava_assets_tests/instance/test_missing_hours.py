"""Which hours `up` fetches at its start."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from strava_assets.hours import HOUR, Window, floor_to_hour, partition_key
from strava_assets.instance.missing_hours import missing_hours
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings

NOW = datetime(2026, 11, 26, 5, 59, 59, tzinfo=UTC)
NOW_HOUR = floor_to_hour(NOW)


@pytest.mark.usefixtures("dagster_home")
def test_the_span_of_closed_hours_that_were_not_made_is_fetched_of_the_last_days(tmp_path: Path):
    settings = replace(Settings.from_environment(), start_date=datetime(2020, 1, 1, tzinfo=UTC))
    list(initialise(settings))
    last = NOW_HOUR - HOUR
    assert missing_hours(settings, NOW) == Window.of(last - timedelta(days=30), last)
    short = replace(settings, lookback=timedelta(days=3))
    assert missing_hours(short, NOW) == short.closed_hours(NOW) == Window.of(last - timedelta(days=3), last)
    kept = replace(settings, retention=timedelta(days=2))
    assert missing_hours(kept, NOW) == kept.closed_hours(NOW) == Window.of(NOW_HOUR - timedelta(days=2), last)
    young = replace(settings, start_date=last - timedelta(days=1))
    assert missing_hours(young, NOW) == Window.of(last - timedelta(days=1), last)

    missing = {last - 3 * HOUR, last - 5 * HOUR}
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for hour in Window.of(young.start_date, last).hours():
            if hour not in missing:
                made = dg.AssetMaterialization("strava_activity", partition=partition_key(hour))
                instance.report_runless_asset_event(made)
            instance.report_runless_asset_event(
                dg.AssetMaterialization("raw_activities", partition=partition_key(hour))  # the first half
            )
    assert missing_hours(young, NOW) == Window.of(min(missing), max(missing))
    assert missing_hours(replace(young, start_date=last - 2 * HOUR), NOW) is None
