"""One athlete, 42, without activities, on a simulated Strava over real HTTP."""

from collections.abc import Iterator

import pytest

from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation()
    simulation.add_athlete(42)
    return simulation


@pytest.fixture
def url(simulation: Simulation) -> Iterator[str]:
    with serve(simulation) as url:
        yield url
