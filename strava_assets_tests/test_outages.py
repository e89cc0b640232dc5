"""Postgres, Redis and S3 away for a while: one clear line, nothing half done, and right again once they are back."""

from datetime import UTC, datetime

import pytest

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import add_more_than_a_page
from strava_assets_tests.dagster_runs import problem, run
from strava_assets_tests.equality import expected_rows, rows
from strava_assets_tests.proxy import Proxy, cut_after

pytestmark = pytest.mark.slow

NOW = floor_to_hour(datetime.now(UTC))
LAST_HOURS = Window.of(NOW - 12 * HOUR, NOW - HOUR)


@pytest.fixture
def strava(strava: Simulation) -> Simulation:
    """With more activities than a page holds."""
    add_more_than_a_page(strava, LAST_HOURS)
    return strava


@pytest.mark.parametrize("away", ["Postgres", "Redis", "S3"])
def test_what_a_service_was_away_for_is_right_once_it_is_back(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], away: str
):
    assert run(LAST_HOURS).success
    deleted, edited = sorted(strava.accounts[42].activities)[:2]
    strava.delete(deleted)
    strava.edit(edited, name="Another name")
    before = rows(environment)
    ways[away].cut()
    failed = run(LAST_HOURS)
    assert not failed.success
    assert problem(failed).startswith(f"{away} at ")
    assert rows(environment) == before
    ways[away].mend()
    assert run(LAST_HOURS).success
    assert rows(environment) == expected_rows(strava)


@pytest.mark.parametrize(
    ("away", "after"),
    [
        ("Redis", "strava_assets.raw.store.RawStore.write"),
        ("S3", "strava_assets.raw.store.RawStore.write"),
        ("Postgres", "strava_assets.raw.store.RawStore.write"),
        ("S3", "strava_assets.mirror.load.wait_for_other_loads"),
        ("Postgres", "strava_assets.mirror.load.settle_rejects"),
    ],
)
def test_a_service_lost_in_the_middle_of_a_run_leaves_no_hour_half_done(
    strava: Simulation,
    environment: dict[str, str],
    ways: dict[str, Proxy],
    monkeypatch: pytest.MonkeyPatch,
    away: str,
    after: str,
):
    with monkeypatch.context() as patched:
        cut_after(patched, after, ways[away])
        failed = run(LAST_HOURS)
    assert not failed.success
    assert problem(failed).startswith(f"{away} at ")
    assert rows(environment) == {}
    ways[away].mend()
    assert run(LAST_HOURS).success
    assert rows(environment) == expected_rows(strava)
