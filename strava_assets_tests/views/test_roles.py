"""An athlete's own role sees that athlete's rows: in the table, and through every view."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import ProgrammingError

from strava_assets.mirror.table import metadata
from strava_assets.views.catalog import views
from strava_assets_tests.views.golden import insert
from strava_assets_tests.views.test_docs import PAGE
from strava_assets_tests.views.test_schema import TWO_ATHLETES

ROLE = "strava_athlete_42"


def statements() -> str:
    """How docs/analytics.md says the role is made."""
    (found,) = re.findall(r"```sql\n(CREATE ROLE .*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


@pytest.fixture
def of_athlete(engine: Engine) -> Iterator[Engine]:
    """The database as athlete 42's role sees it, made by the statements of docs/analytics.md."""
    with engine.begin() as connection:
        insert(connection, TWO_ATHLETES, [{"athlete_id": 41, "valid_from": "2026-01-01", "ftp": 200.0}])
        connection.execute(text(statements()))
    theirs = create_engine(engine.url)

    @event.listens_for(theirs, "connect")
    def become(connection: Any, _record: object) -> None:
        # As after a login of the role's own, which the tests' server lets nobody have.
        connection.cursor().execute(f"SET SESSION AUTHORIZATION {ROLE}")
        connection.commit()

    yield theirs
    theirs.dispose()
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {ROLE}"))
        connection.execute(text(f"DROP ROLE {ROLE}"))


def test_every_view_shows_the_roles_own_athlete_and_nobody_else(engine: Engine, of_athlete: Engine):
    for view in views():
        query = text(f"SELECT * FROM strava_analytics.{view.name} WHERE athlete_id = :id")
        with engine.connect() as owner, of_athlete.connect() as athlete:
            for_owner = owner.execute(query, {"id": 42}).all()
            assert athlete.execute(query, {"id": 42}).all() == for_owner, view.name
            assert athlete.execute(query, {"id": 41}).all() == [], view.name
            everything = athlete.execute(text(f"SELECT DISTINCT athlete_id FROM strava_analytics.{view.name}")).all()
            assert {each.athlete_id for each in everything} <= {42}, view.name


@pytest.mark.parametrize("table", ["strava_activity", "strava_athlete_setting", "strava_athlete_preference"])
def test_the_tables_show_no_other_athlete(of_athlete: Engine, table: str):
    with of_athlete.connect() as connection:
        connection.execute(text("RESET ROLE"))
        assert connection.execute(text(f"SELECT 1 FROM {table} WHERE athlete_id <> 42")).all() == []


@pytest.mark.parametrize("setting", ["row_security = off", "session_replication_role = replica"])
def test_a_role_cannot_turn_its_limits_off(of_athlete: Engine, setting: str):
    with of_athlete.connect() as connection, pytest.raises(ProgrammingError, match=r"row-level security|permission"):
        connection.execute(text(f"SET {setting}; SELECT * FROM strava_activity"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO strava_athlete_setting (athlete_id, valid_from) VALUES (42, '2026-01-01')",
        "UPDATE strava_activity SET name = ''",
        "DELETE FROM strava_activity",
        "SELECT * FROM strava_activity_reject",
        "CREATE TABLE strava_analytics.mine (id int)",
    ],
)
def test_the_role_only_reads_what_it_was_given(of_athlete: Engine, statement: str):
    with of_athlete.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(statement))


def test_other_roles_see_what_they_saw_before(engine: Engine):
    with engine.begin() as connection:
        insert(connection, TWO_ATHLETES)
        connection.execute(text("CREATE ROLE dashboard"))
        connection.execute(text("GRANT SELECT ON strava_activity TO dashboard"))
        connection.execute(text("SET ROLE dashboard"))
        assert connection.scalar(text("SELECT count(*) FROM strava_activity")) == len(TWO_ATHLETES)
        connection.execute(text("RESET ROLE"))
        connection.execute(text("DROP OWNED BY dashboard"))
        connection.execute(text("DROP ROLE dashboard"))


def test_every_table_that_names_an_athlete_is_protected(engine: Engine):
    with engine.connect() as connection:
        protected = connection.scalars(text("SELECT tablename FROM pg_policies WHERE schemaname = 'public'")).all()
    assert set(protected) == {table.name for table in metadata.tables.values() if "athlete_id" in table.c}
