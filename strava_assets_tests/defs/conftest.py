"""What the tests of the sensor for webhook events start from."""

from collections.abc import Iterator

import dagster as dg
import pytest

from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import log_in
from strava_assets_tests.defs.events_platform import Platform


@pytest.fixture
def platform(environment: dict[str, str], simulation: Simulation) -> Iterator[Platform]:
    """One athlete, logged in, and migrated tables."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    log_in(environment, simulation)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(simulation, environment, instance)
