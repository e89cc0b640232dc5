"""A clock that jumps, and a Strava that answers as scripted and goes by that clock."""

from collections.abc import Iterator

import pytest

from strava_assets_tests.strava.fake_clock import FakeClock
from strava_assets_tests.strava.scripted_strava import ScriptedStrava


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def strava(clock: FakeClock) -> Iterator[ScriptedStrava]:
    with ScriptedStrava(clock.now) as server:
        yield server
