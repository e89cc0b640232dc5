"""A receiver, its Redis, and a subscription at the simulated Strava."""

from collections.abc import Iterator

import pytest
from redis import Redis

from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.webhooks.receiving import serving, subscribed


@pytest.fixture
def receiver(environment: dict[str, str]) -> Iterator[str]:
    assert environment
    with serving() as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


@pytest.fixture
def callback(receiver: str, simulation: Simulation) -> str:
    """The callback's URL, once the application is subscribed."""
    return subscribed(receiver, simulation)
