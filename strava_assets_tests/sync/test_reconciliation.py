"""The comparison of the whole history ends, whatever Strava's rate limit is, and goes on where it was stopped."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from strava_assets.errors import RateLimitExceeded
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import engine_for
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.provisioning import migrate
from strava_assets.services import open_client, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.limits import Limit
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.reconcile_progress import ReconcileProgress
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import Clock
from strava_assets.sync.compare import Comparison, make_comparer
from strava_assets.sync.fetch import make_fetcher
from strava_assets.sync.load import load_window
from strava_assets.sync.reconciliation import Reconciliation

NOW = floor_to_hour(datetime.now(UTC))
FIRST = NOW - timedelta(days=100)
EVER = Window(FIRST, NOW + HOUR)
ATHLETES = (42, 43, 44)
ALL_QUARTER = Limit(8, 1000)
"""Of which six are there for comparisons; a listing of an athlete's takes four."""


class Tries:
    """Tries of the daily run, one a quarter hour."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.settings = Settings.from_environment()
        self.redis = Redis.from_url(self.settings.redis_url)
        self.engine = engine_for(self.settings.database_url)
        self.store = open_store(self.settings)
        self.client = self.open(timedelta(minutes=16))

    def open(self, max_wait: timedelta) -> StravaClient:
        clock = Clock(self.simulation.now, self.simulation.advance)
        return open_client(self.settings, clock=clock, max_wait=max_wait)

    def until_done(self) -> tuple[int, list[Window], dict[int, object]]:
        """How many tries it took, the windows found and the deletions held back."""
        windows: list[Window] = []
        held_back: dict[int, object] = {}
        for count in range(1, 20):
            found = Comparison()
            with self.open(timedelta(0)) as client:
                comparer = make_comparer(client, self.store, self.engine, self.settings.max_delete_share)
                try:
                    Reconciliation(comparer, ReconcileProgress(self.redis)).run(EVER, found)
                except RateLimitExceeded:
                    self.simulation.advance(900)
                    continue
                finally:
                    windows += found.windows
                    held_back |= found.held_back
            return count, windows, held_back
        raise AssertionError("It never ended.")


@pytest.fixture
def tries(environment: dict[str, str], simulation: Simulation) -> Iterator[Tries]:
    """Three athletes with 500 activities each, imported."""
    migrate(Settings.from_environment().database_url)
    simulation.limits.overall = simulation.limits.read = Limit(10**6, 10**6)
    redis = Redis.from_url(environment["REDIS_URL"])
    for athlete_id in ATHLETES:
        simulation.add_athlete(athlete_id)
        for number in range(500):
            start = FIRST + number * 4 * HOUR + timedelta(minutes=athlete_id)
            simulation.add_activity(athlete_id, start_date=strava_time(start))
        redis.set(
            "STRAVA_TOKEN" if athlete_id == 42 else f"STRAVA_TOKEN:{athlete_id}",
            json.dumps(simulation.grant(athlete_id)),
        )
    tries = Tries(simulation)
    make_fetcher(tries.client, tries.store, tries.engine, redis, tries.settings.max_delete_share).fetch(EVER)
    load_window(tries.store, tries.engine, EVER, DeletionGuard(0.1))
    simulation.limits.overall = simulation.limits.read = ALL_QUARTER
    simulation.advance(900)
    yield tries
    tries.client.close()


@pytest.mark.slow
def test_many_athletes_are_compared_in_several_quarter_hours_each_once(tries: Tries, simulation: Simulation):
    edited = list(simulation.accounts[44].activities)[7]
    simulation.edit(edited, name="edited")
    begun = len(simulation.requests)
    count, windows, _ = tries.until_done()
    assert 2 <= count <= 4
    assert len(windows) == 1
    assert len(simulation.requests) - begun <= 4 * len(ATHLETES) + 3 * count
    assert tries.redis.keys("strava:reconciled") == []
    assert tries.until_done()[1] == windows  # and the next day's begins anew


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [1, 200])
def test_deletions_of_one_with_many_activities_are_decided_though_two_listings_exceed_a_quarter_hour(
    tries: Tries, simulation: Simulation, deleted: int
):
    for each in list(simulation.accounts[42].activities)[:deleted]:
        simulation.delete(each)
    count, windows, held_back = tries.until_done()
    assert count <= 8
    assert bool(windows) is (deleted == 1)
    assert list(held_back) == ([] if deleted == 1 else [42])
