"""Postgres, Redis and S3 away for a while: one clear line, nothing half done, and right again once they are back."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.dagster_runs import problem, run
from strava_assets_tests.equality import expected_rows, rows
from strava_assets_tests.proxy import Proxy, cut_after

pytestmark = pytest.mark.slow

NOW = floor_to_hour(datetime.now(UTC))
LAST_HOURS = Window.of(NOW - 12 * HOUR, NOW - HOUR)


@pytest.fixture
def strava(environment: dict[str, str], simulation: Simulation) -> Simulation:
    """One athlete with more activities than a page holds, logged in, and migrated tables."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    for number in range(250):
        start = LAST_HOURS.start + timedelta(seconds=170 * number)
        simulation.add_activity(42, start_date=start.strftime("%Y-%m-%dT%H:%M:%SZ"))
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    return simulation


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
