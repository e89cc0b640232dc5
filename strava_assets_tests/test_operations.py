"""The queries in docs/operations.md run, and answer what they say."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from strava_assets.provisioning import initialise
from strava_assets.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"
BLOCK = re.search(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
QUERIES = re.findall(r"^-- (.*?)\n(.*?;)$", BLOCK[1] if BLOCK else "", re.DOTALL | re.MULTILINE)


def test_there_are_queries():
    assert len(QUERIES) >= 4


@pytest.mark.slow
@pytest.mark.parametrize(("says", "query"), QUERIES, ids=[says for says, _ in QUERIES])
def test_a_documented_query_runs(environment: dict[str, str], says: str, query: str):
    list(initialise(Settings.from_environment()))
    name = "DAGSTER_POSTGRES_URL" if "Dagster's database" in says else "DATABASE_URL"
    engine = create_engine(make_url(environment[name]))
    with engine.connect() as connection:
        connection.execute(text("SET TIME ZONE 'Asia/Kolkata'"))
        connection.exec_driver_sql(query).all()
    engine.dispose()


def test_the_lateness_of_the_last_hour_does_not_depend_on_the_sessions_time_zone(environment: dict[str, str]):
    list(initialise(Settings.from_environment()))
    (query,) = [query for says, query in QUERIES if "last closed hour" in says]
    engine = create_engine(make_url(environment["DAGSTER_POSTGRES_URL"]))
    insert = """INSERT INTO event_logs (run_id, event, dagster_event_type, asset_key, partition)
                VALUES ('r', '{}', 'ASSET_MATERIALIZATION', '["strava_activity"]',
                        to_char(now() AT TIME ZONE 'UTC' - interval '3 hours', 'YYYY-MM-DD-HH24:00'))"""
    with engine.begin() as connection:
        connection.execute(text("SET TIME ZONE 'Asia/Kolkata'"))
        connection.exec_driver_sql(insert)
        late = connection.exec_driver_sql(query).one().late
    engine.dispose()
    assert 3 <= late.total_seconds() / 3600 < 4
