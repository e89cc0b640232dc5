from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url

from strava_assets.mirror import migrations


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with all migrations applied."""
    engine = create_engine(make_url(database_url))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()
