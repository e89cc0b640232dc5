"""What the tests of the sensor for webhook events start from."""

import json
from collections.abc import Iterator

import dagster as dg
import pytest
from redis import Redis

from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.defs.events_platform import Platform


@pytest.fixture
def platform(environment: dict[str, str], simulation: Simulation) -> Iterator[Platform]:
    """One athlete, logged in, and migrated tables."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(simulation, environment, instance)
