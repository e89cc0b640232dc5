"""A day of hourly runs, sensor ticks, webhook events and a backfill of years: Strava refuses not one request."""

import heapq
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine

from strava_assets.errors import RateLimitExceeded
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import engine_for
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.provisioning import migrate
from strava_assets.services import open_client, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.limits import Limit, RateLimits
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import Clock
from strava_assets.sync.compare import make_comparer
from strava_assets.sync.fetch import make_fetcher
from strava_assets.sync.load import load_window
from strava_assets_tests.equality import expected_rows, rows

pytestmark = pytest.mark.slow

ATHLETES = (42, 43)
MINUTE = timedelta(minutes=1)


class Day:
    """Simulated time in which things happen at their moments, also while something else waits."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        # From 23:50 to 00:20 two days later: with a midnight at either end.
        today = simulation.now().replace(hour=0, minute=0, second=0, microsecond=0)
        self.start = today + timedelta(days=1) - 10 * MINUTE
        self.end = self.start + timedelta(days=1) + 30 * MINUTE
        simulation.clock.set(self.start)
        self.did: Counter[str] = Counter()
        self._plan: list[tuple[datetime, str, Callable[[datetime], None]]] = []

    def every(self, period: timedelta, first: timedelta, name: str, act: Callable[[datetime], None]) -> None:
        moment = self.start + first
        while moment < self.end:
            heapq.heappush(self._plan, (moment, name, act))
            moment += period

    def pass_until(self, moment: datetime) -> None:
        """Let time pass, and everything happen whose moment comes."""
        while self._plan and self._plan[0][0] <= moment:
            when, name, act = heapq.heappop(self._plan)
            self._advance_to(when)
            try:
                act(when)
            except RateLimitExceeded:
                self.did[f"{name}, put off"] += 1
            else:
                self.did[name] += 1
        self._advance_to(moment)

    def sleep(self, seconds: float) -> None:
        self.pass_until(self.simulation.now() + timedelta(seconds=seconds))

    def _advance_to(self, moment: datetime) -> None:
        self.simulation.advance(max(0.0, (moment - self.simulation.now()).total_seconds()))


class Platform:
    """What Dagster would run, each with a client of its own, as the assets and sensors open it."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.settings = Settings.from_environment()
        self.engine: Engine = engine_for(self.settings.database_url)
        self.redis = Redis.from_url(self.settings.redis_url)
        self.store = open_store(self.settings)

    def client(self, *, max_wait: timedelta, may_use_reserve: bool = False) -> StravaClient:
        clock = Clock(self.day.simulation.now, self.day.sleep if max_wait > MINUTE else self.day.simulation.advance)
        return open_client(self.settings, max_wait=max_wait, may_use_reserve=may_use_reserve, clock=clock)

    def refresh(self, client: StravaClient, window: Window) -> None:
        make_fetcher(client, self.store, self.engine, self.redis, self.settings.max_delete_share).fetch(window)
        load_window(self.store, self.engine, window, DeletionGuard(0.1))

    def close_hour(self, now: datetime) -> None:
        with self.client(max_wait=MINUTE, may_use_reserve=True) as client:
            hour = floor_to_hour(now) - HOUR
            self.refresh(client, Window.of(hour, hour))

    def look_for_changes(self, now: datetime) -> None:
        with self.client(max_wait=timedelta(0)) as client:
            window = Window.of(floor_to_hour(now) - timedelta(days=30), floor_to_hour(now))
            differing = (
                make_comparer(client, self.store, self.engine, self.settings.max_delete_share).compare(window).windows
            )
        for each in differing:
            with self.client(max_wait=MINUTE) as client:
                self.refresh(client, each)

    def upload(self, now: datetime) -> None:
        """A new activity, and the look-up that its event causes."""
        start = now - 90 * MINUTE
        activity_id = self.day.simulation.add_activity(42, start_date=strava_time(start))
        with self.client(max_wait=timedelta(0)) as client:
            assert client.activity(client.athletes()[0], activity_id)

    def backfill(self, window: Window) -> None:
        """The import, which waits for windows to refill; while it does, the rest of the day goes on."""
        with self.client(max_wait=16 * MINUTE) as client:
            self.refresh(client, window)


@pytest.fixture
def day(environment: dict[str, str], simulation: Simulation) -> Day:
    migrate(Settings.from_environment().database_url)
    day = Day(simulation)
    redis = Redis.from_url(environment["REDIS_URL"])
    for athlete_id, key in zip(ATHLETES, ("STRAVA_TOKEN", "STRAVA_TOKEN:43"), strict=True):
        simulation.add_athlete(athlete_id)
        for number in range(1700):
            start = day.start - timedelta(hours=11 * number + 1)
            simulation.add_activity(athlete_id, start_date=strava_time(start))
        redis.set(key, json.dumps(simulation.grant(athlete_id)))
    return day


def test_a_day_with_everything_at_once_sees_not_one_429(day: Day, simulation: Simulation, environment: dict[str, str]):
    simulation.limits = RateLimits(overall=Limit(30, 840), read=Limit(15, 420))
    platform = Platform(day)
    day.every(HOUR, 12 * MINUTE, "hour", platform.close_hour)
    day.every(15 * MINUTE, 3 * MINUTE, "tick", platform.look_for_changes)
    day.every(43 * MINUTE, 20 * MINUTE, "event", platform.upload)
    day.pass_until(day.start + 5 * MINUTE)
    platform.backfill(Window.of(floor_to_hour(day.start) - timedelta(days=900), floor_to_hour(day.start)))
    assert day.simulation.now() - day.start > 15 * MINUTE  # one window was not enough for it
    day.pass_until(day.end)

    assert [request for request in simulation.requests if request.status == 429] == []
    assert day.did["hour"] == 25
    assert day.did["hour, put off"] == 0
    assert day.did["tick, put off"] > 0  # the day's limit was too small for all, and yet no hour went without
    assert rows(environment) == expected_rows(simulation)
