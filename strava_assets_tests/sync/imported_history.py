"""An athlete whose history is imported, and what can then be done with it without Dagster."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from sqlalchemy import text

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.unlisted import waiting_deletions
from strava_assets.services import open_client, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.clock import Clock
from strava_assets.sync.compare import Comparison, make_comparer
from strava_assets.sync.fetch import Fetched, Fetcher, make_fetcher
from strava_assets.sync.load import load_window

NOW = floor_to_hour(datetime.now(UTC))
FIRST = NOW - timedelta(days=100)
EVER = Window(FIRST, NOW + HOUR)
SHARE = 0.1
LISTING = "/athlete/activities"


class Platform:
    """Fetches, loads and compares as the assets do, without Dagster."""

    def __init__(self, simulation: Simulation) -> None:
        self.settings = settings = Settings.from_environment()
        self.simulation = simulation
        self.engine = engine_for(settings.database_url)
        self.redis = Redis.from_url(settings.redis_url)
        self.store = open_store(settings)
        self.client = open_client(settings, clock=Clock(simulation.now, simulation.advance))

    def fetcher(self) -> Fetcher:
        return make_fetcher(self.client, self.store, self.engine, self.redis, self.settings.max_delete_share)

    def fetch(self, window: Window) -> Fetched:
        return self.fetcher().fetch(window)

    def load(self, window: Window = EVER) -> Any:
        return load_window(self.store, self.engine, window, DeletionGuard(SHARE))

    def compare(self, window: Window = EVER, confirmed: int | None = None) -> Comparison:
        return make_comparer(self.client, self.store, self.engine, self.settings.max_delete_share).compare(
            window, confirmed
        )

    def refresh(self, comparison: Comparison) -> None:
        for window in comparison.windows:
            self.fetch(window)
            self.load(window)

    def objects(self, athlete_id: int = 42) -> dict[int | None, datetime]:
        """In which hour's raw object each activity is."""
        hours = list(self.store.objects(athlete_id, EVER))
        return {each.id: hour for hour, found in self.store.read(athlete_id, hours) for each in found}

    def rows(self) -> dict[int, Any]:
        with transaction(self.engine) as connection:
            return {row.id: row for row in connection.execute(text("SELECT * FROM strava_activity"))}

    def waiting(self) -> dict[int, int]:
        with transaction(self.engine) as connection:
            return waiting_deletions(connection)


def ids(platform: Platform) -> list[int]:
    return list(platform.simulation.accounts[42].activities)


def requests_of(platform: Platform, act: Callable[[], object]) -> int:
    """How many requests to Strava it makes."""
    before = platform.client.requests_made
    act()
    return platform.client.requests_made - before


def hour_of(platform: Platform, activity_id: int) -> Window:
    hour = platform.objects()[activity_id]
    return Window.of(hour, hour)
