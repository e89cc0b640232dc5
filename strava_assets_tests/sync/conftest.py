"""What tests of this room share."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from strava_assets.hours import HOUR
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import log_in
from strava_assets_tests.sync.imported_history import EVER, FIRST, Platform


@pytest.fixture
def platform(environment: dict[str, str], simulation: Simulation) -> Iterator[Platform]:
    """An athlete with 300 activities, one every eight hours, imported."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    for number in range(300):
        simulation.add_activity(42, start_date=strava_time(FIRST + number * 8 * HOUR + timedelta(minutes=5)))
    log_in(environment, simulation)
    platform = Platform(simulation)
    platform.fetch(EVER)
    platform.load()
    assert len(platform.rows()) == 300
    yield platform
    platform.client.close()
