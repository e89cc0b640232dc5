from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url

from strava_assets.mirror import migrations
from strava_assets.provisioning import create_database
from strava_assets_tests.mirror.conftest import engine

__all__ = ["engine", "twin"]


@pytest.fixture
def twin(database_url: str) -> Iterator[Engine]:
    """Another one, which sees no archive."""
    url = make_url(database_url)
    url = url.set(database=f"{url.database}_dagster")
    create_database(url)
    engine = create_engine(url)
    migrations.upgrade(engine)
    yield engine
    engine.dispose()
