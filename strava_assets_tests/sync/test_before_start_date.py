"""What lies before the first partition is counted, and costs one request where there is little or nothing."""

from datetime import UTC, date, datetime, timedelta

import pytest

from strava_assets.hours import Window
from strava_assets.services import open_client
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.pagination import ALL_TIME
from strava_assets.sync.before_start_date import BeforeStartDate, all_before_start_date, before_start_date, of_starts
from strava_assets_tests.athletes import log_in

START = datetime(2024, 1, 1, tzinfo=UTC)
BEFORE = Window(ALL_TIME.start, START)


def look(
    environment: dict[str, str], simulation: Simulation, starts: list[datetime], window: Window = BEFORE
) -> tuple[BeforeStartDate | None, int]:
    """What is left out of an account with activities at these times, and how many requests it took to know."""
    simulation.add_athlete(42)
    for start in starts:
        simulation.add_activity(42, start_date=strava_time(start))
    log_in(environment, simulation)
    with open_client(Settings.from_environment()) as client:
        (athlete,) = client.athletes()
        before = client.requests_made
        return before_start_date(client, athlete, window), client.requests_made - before


def test_nothing_before_the_start_costs_one_request(environment: dict[str, str], simulation: Simulation):
    assert look(environment, simulation, [START, START + timedelta(days=1)]) == (None, 1)


def test_what_fits_into_a_page_is_counted_with_its_first_day(environment: dict[str, str], simulation: Simulation):
    starts = [START - timedelta(seconds=1), START - timedelta(days=2), START]
    assert look(environment, simulation, starts) == (BeforeStartDate(2, date(2023, 12, 30), START.date()), 1)


@pytest.mark.parametrize("second", [0, 1])
def test_an_activity_of_a_clock_that_lost_its_battery_is_counted(
    environment: dict[str, str], simulation: Simulation, second: int
):
    epoch = ALL_TIME.start + timedelta(seconds=second)
    assert look(environment, simulation, [epoch]) == (BeforeStartDate(1, date(1970, 1, 1), START.date()), 1)


def test_a_full_page_says_or_more_and_still_names_the_first_day(environment: dict[str, str], simulation: Simulation):
    starts = [START - timedelta(days=number) for number in range(1, 251)]
    found, requests = look(environment, simulation, starts)
    assert found == BeforeStartDate(200, starts[-1].date(), START.date(), is_all=False)
    assert requests == 3
    assert str(found).startswith("200 or more activities start before STRAVA_START_DATE=2024-01-01 and are left out ")


def test_what_retention_would_delete_is_not_counted(environment: dict[str, str], simulation: Simulation):
    starts = [START - timedelta(days=10), START - timedelta(days=100)]
    window = Window(START - timedelta(days=30), START)
    assert look(environment, simulation, starts, window) == (BeforeStartDate(1, starts[0].date(), START.date()), 1)


def test_where_retention_keeps_nothing_older_no_request_is_made(environment: dict[str, str], simulation: Simulation):
    assert look(environment, simulation, [START - timedelta(days=1)])[1] == 1
    made = len(simulation.requests)
    with open_client(Settings.from_environment()) as client:
        assert all_before_start_date(client, START, START) == []
        assert len(simulation.requests) == made
        assert len(all_before_start_date(client, START, START - timedelta(days=1))) == 1


def test_of_a_whole_history_what_starts_before_and_would_be_kept_is_left_out():
    second, kept = timedelta(seconds=1), START - timedelta(days=30)
    starts = [kept - second, kept, None, START - second, START, START + second]
    assert of_starts(starts, START, kept) == BeforeStartDate(2, kept.date(), START.date())
    assert of_starts(starts, START) == BeforeStartDate(3, (kept - second).date(), START.date())
    assert of_starts([None, START], START) is None
