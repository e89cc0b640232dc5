from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url

from strava_assets.provisioning import migrate


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with all migrations and views."""
    migrate(make_url(database_url))
    engine = create_engine(make_url(database_url))
    yield engine
    engine.dispose()
