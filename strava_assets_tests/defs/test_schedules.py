from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from strava_assets.defs.build import build_definitions
from strava_assets.defs.schedules import hours_to_close
from strava_assets.hours import HOUR, Window
from strava_assets.settings import Settings

LAST = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIEST = LAST - 48 * HOUR


def hours_ago(*numbers: int) -> set[datetime]:
    return {LAST - number * HOUR for number in numbers}


@pytest.mark.parametrize(
    ("done", "first"),
    [
        (hours_ago(*range(1, 49)), 0),  # nothing missed: the hour that has just ended
        (hours_ago(*range(49)), 0),  # it was materialised while it was in progress: closed all the same
        (hours_ago(*range(6, 49)), 5),  # five hours down
        (hours_ago(*range(1, 20), *range(22, 49)), 21),  # an hour in between failed
        (set(), 48),  # a fresh start closes the look-back
    ],
)
def test_missed_hours_are_closed_together_with_the_one_that_ended(done: set[datetime], first: int):
    assert hours_to_close(LAST, done, EARLIEST) == Window.of(LAST - first * HOUR, LAST)


def test_the_schedule_requests_one_run_and_marks_it_as_the_hourly_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRAVA_LOOKBACK_DAYS", "1")
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
        )
        schedule = build_definitions(Settings.from_environment()).resolve_schedule_def("closed_hours")
        request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_start"] == "2026-11-21-12:00"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-11-22-12:00"
    assert request.tags["strava_assets/hourly"] == "true"
    assert request.run_key == "2026-11-21-12:00...2026-11-22-12:00"


@pytest.mark.parametrize("client_id", ["", "1"])
def test_without_an_application_nothing_is_scheduled_that_would_ask_strava(client_id: str):
    definitions = build_definitions(replace(Settings.from_environment({}), client_id=client_id))
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 11, 22, 13, tzinfo=UTC))
        for name in ("closed_hours", "daily_reconciliation"):
            tick = definitions.resolve_schedule_def(name).evaluate_tick(context)
            assert bool(tick.run_requests) == bool(client_id)
