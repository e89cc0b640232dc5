"""What docs/analytics.md and docs/dbt/sources.yml say is run, and is what the code says. `make docs` writes them."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine, text

from strava_assets.mirror.table import activity
from strava_assets.simulator.history import history
from strava_assets.views.catalog import SCHEMA, views
from strava_assets_tests.views.golden import insert, row, rows_of

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE, SOURCES = DOCS / "analytics.md", DOCS / "dbt" / "sources.yml"
BEGIN, END = "<!-- views: make docs -->\n", "<!-- end of views -->"
NOW = datetime.now(UTC)


def test_the_ten_questions_have_answers(engine: Engine):
    section = PAGE.read_text().split("## Ten questions")[1].split("\n## ")[0]
    queries = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    assert len(queries) == 10
    with engine.begin() as connection:
        insert(connection, rows_of(history(42, start=NOW - timedelta(days=800), end=NOW, per_year=300, seed=7), 42))
        insert(connection, [row(42, 1, "2026-05-01 10:00"), row(42, 2, "2026-05-01 10:00:04")])
        for query in queries:
            assert connection.execute(text(query)).all(), query


def test_the_page_lists_the_views_as_they_are():
    before, _, rest = PAGE.read_text().partition(BEGIN)
    written = before + BEGIN + _views() + END + rest.partition(END)[2]
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(written)
    assert PAGE.read_text() == written, "Run: make docs"


def test_dbts_sources_are_the_table_and_the_views():
    written = "# Sources for dbt: copy it into models/ of your project. Made by `make docs`.\n" + yaml.safe_dump(
        _sources(), sort_keys=False, allow_unicode=True, width=120
    )
    if os.environ.get("WRITE_DOCS"):
        SOURCES.parent.mkdir(exist_ok=True)
        SOURCES.write_text(written)
    assert SOURCES.read_text() == written, "Run: make docs"


def _views() -> str:
    return "".join(
        f"\n### {view.name}\n\n{view.description}\n\n| column | type | meaning |\n|---|---|---|\n"
        + "".join(f"| `{each.name}` | {each.type} | {each.comment} |\n" for each in view.columns)
        for view in views()
    )


def _sources() -> dict[str, Any]:
    table = {
        "name": str(activity.name),
        "description": activity.comment,
        "columns": [
            {"name": str(each.name), "description": each.comment, "data_type": str(each.type).lower()}
            for each in activity.columns
        ],
    }
    of_schema = [
        {
            "name": view.name,
            "description": view.description,
            "columns": [
                {"name": each.name, "description": each.comment, "data_type": each.type} for each in view.columns
            ],
        }
        for view in views()
    ]
    return {
        "version": 2,
        "sources": [
            {"name": "strava", "schema": "public", "tables": [table]},
            {"name": SCHEMA, "schema": SCHEMA, "tables": of_schema},
        ],
    }
