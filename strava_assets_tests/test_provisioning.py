"""What `init` makes and what it refuses."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text

from strava_assets.errors import ConfigurationError
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.provisioning import create_database, initialise
from strava_assets.settings import Settings


@pytest.fixture
def latin1(database_url: str) -> Iterator[str]:
    """The URL of a database in LATIN1."""
    url = make_url(database_url).set(database="latin1_of_a_test")
    admin = create_engine(make_url(database_url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE latin1_of_a_test TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
    yield url.render_as_string(hide_password=False)
    engine_for(Settings.from_environment({"DATABASE_URL": str(url)}).database_url).dispose()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE latin1_of_a_test WITH (FORCE)"))
    admin.dispose()


def test_a_database_that_cannot_store_every_title_is_refused_in_one_line(latin1: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        list(initialise(Settings.from_environment({"DATABASE_URL": latin1})))
    assert "'latin1_of_a_test'" in str(raised.value)
    assert "has the encoding LATIN1, which cannot store every title" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_schema_of_the_search_path_is_reported_in_one_line(database_url: str) -> None:
    url = make_url(database_url).update_query_dict({"options": "-c search_path=nowhere"})
    with pytest.raises(ConfigurationError, match="No schema of the search_path exists in the database"):
        list(initialise(Settings.from_environment({"DATABASE_URL": url.render_as_string(hide_password=False)})))


def test_a_database_is_made_in_utf8_whatever_the_servers_own_encoding(database_url: str) -> None:
    url = Settings.from_environment({"DATABASE_URL": database_url}).database_url
    new = url.set(database=f"{url.database}_dagster")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("ALTER DATABASE template1 IS_TEMPLATE false"))
        connection.execute(text("DROP DATABASE template1"))
        connection.execute(text("CREATE DATABASE template1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
        try:
            assert create_database(new)
            with transaction(engine_for(new)) as made:
                assert made.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
                assert made.execute(text("SHOW jit")).scalar_one() == "off"
        finally:
            engine_for(new).dispose()
            connection.execute(text("DROP DATABASE template1"))
            connection.execute(text("CREATE DATABASE template1 TEMPLATE template0 IS_TEMPLATE true"))
    admin.dispose()
