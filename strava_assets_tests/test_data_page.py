"""docs/data.md says what is in the tables: `make docs` writes it anew."""

import os

from sqlalchemy import Engine, create_engine, make_url

from strava_assets.mirror import migrations
from strava_assets_tests.data_page import FILE, example_activities, load, page


def test_the_page_of_tables_and_queries_is_what_the_code_and_the_database_say(database_url: str):
    engine: Engine = create_engine(make_url(database_url))
    migrations.upgrade(engine)
    with engine.begin() as connection:
        load(connection, example_activities())
        written = page(connection)
    engine.dispose()
    if os.environ.get("WRITE_DOCS"):
        FILE.write_text(written)
    assert FILE.read_text() == written, "Run: make docs"
