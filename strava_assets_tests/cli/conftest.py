"""One running `strava-assets up` for the tests of the UI and those that look at it itself: it takes half a minute."""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from strava_assets_tests.running_up import Up, project

# So that a picture of the partitions shows more than an end of them.
START_DATE = f"{datetime.now(UTC) - timedelta(days=60):%Y-%m-%d}"


@pytest.fixture(scope="package")
def beginning_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Up]]:
    """Gives one that is up or will be: the same as long as no test ends it, then another."""
    begun: list[Up] = []

    def begin() -> Up:
        if not begun or begun[-1].process.poll() is not None:
            folder = tmp_path_factory.mktemp("project") / "my strava, 50%off #1? & it's=ü"
            folder.mkdir()
            begun.append(Up.begin(project(folder), STRAVA_START_DATE=START_DATE))
        return begun[-1]

    yield begin
    for up in begun:
        if up.process.poll() is None:
            up.stop(signal.SIGTERM)


@pytest.fixture
def up(beginning_up: Callable[[], Up]) -> Up:
    """One that is up."""
    up = beginning_up()
    up.wait()
    return up
