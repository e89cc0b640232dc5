"""Writes docs/data.md from the models and from queries that are run: see `test_data_page.py`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from strava_assets.mirror.activity import Activity, validate
from strava_assets.mirror.bulk_copy import copy_rows
from strava_assets.mirror.table import metadata
from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.simulator.history import history

FILE = Path(__file__).parent.parent / "docs" / "data.md"
ATHLETE = 42
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)

QUERIES = (
    (
        "What were my latest activities?",
        (
            "SELECT start_date_local, sport_type, name, round((distance / 1000)::numeric, 1) AS km,\n"
            "       moving_time * interval '1 second' AS moving\n"
            "FROM strava_activity ORDER BY start_date DESC LIMIT 5;"
        ),
    ),
    (
        "Distance, time and climbing per year and sport?",
        (
            "SELECT extract(year FROM start_date_local)::int AS year, sport_type, count(*) AS activities,\n"
            "       round(sum(distance / 1000)::numeric) AS km, round(sum(moving_time) / 3600.0) AS hours,\n"
            "       round(sum(total_elevation_gain)::numeric) AS metres_up\n"
            "FROM strava_activity GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2;"
        ),
    ),
    (
        "Which weeks were the longest?",
        (
            "SELECT date_trunc('week', start_date_local)::date AS monday, count(*) AS activities,\n"
            "       round(sum(moving_time) / 3600.0, 1) AS hours\n"
            "FROM strava_activity GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 5;"
        ),
    ),
    (
        "Which runs of at least 10 km were the fastest?",
        (
            "SELECT start_date_local::date AS day, round((distance / 1000)::numeric, 1) AS km,\n"
            "       to_char(moving_time / (distance / 1000) * interval '1 second', 'MI:SS') AS minutes_per_km\n"
            "FROM strava_activity WHERE sport_type IN ('Run', 'TrailRun') AND distance >= 10000\n"
            "ORDER BY moving_time / distance, id LIMIT 5;"
        ),
    ),
    (
        "How far has each bike and each pair of shoes gone?",
        (
            "SELECT gear_id, count(*) AS activities, round(sum(distance / 1000)::numeric) AS km,\n"
            "       max(start_date_local)::date AS last_used\n"
            "FROM strava_activity WHERE gear_id IS NOT NULL GROUP BY 1 ORDER BY 3 DESC;"
        ),
    ),
)
"""What a person asks first, and how."""


def example_activities() -> list[RawActivity]:
    """Two years of the simulated athlete, the same on every machine and day."""
    made = history(ATHLETE, start=START, end=END, per_year=300, seed=1)
    return split_array(json.dumps(list(made), ensure_ascii=False, indent=1))


def load(connection: Connection, activities: Sequence[RawActivity]) -> None:
    """Put the activities into `strava_activity`."""
    rows = [validate(raw, ATHLETE) for raw in activities]
    copy_rows(
        connection,
        f"strava_activity ({', '.join(Activity.model_fields)})",
        (tuple(row.__dict__.values()) for row in rows if isinstance(row, Activity)),
    )


def page(connection: Connection) -> str:
    """What docs/data.md has to hold; the connection leads to a database with the example activities."""
    activities = example_activities()
    parts = [
        "# The data: tables, columns, and queries to start with",
        "Generated from the code by `make docs`; a test keeps both equal. The example is a simulated athlete.",
        "`.venv/bin/strava-assets psql` opens the database. For other tools, its address is `DATABASE_URL`.",
        "## Queries",
        *(f"{title}\n\n```sql\n{query}\n```\n\n{_answer(connection, query)}" for title, query in QUERIES),
        "## Tables",
        *(_described(table) for table in metadata.sorted_tables),
        "## One row of `strava_activity`",
        _row(activities[-1]),
        "## The same activity in its raw object",
        (
            "An object is a JSON array of such activities, as the API sent them: `{S3_PREFIX}/{athlete}/{hour}.json`, "
            "for example "
            f"`stravaact/{ATHLETE}/20251231T180000.json`. Fields without a column are only here."
        ),
        f"```json\n{activities[-1].text}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _described(table: Table) -> str:
    rows = [f"| `{column.name}` | {str(column.type).lower()} | {column.comment or ''} |" for column in table.columns]
    return "\n".join(
        [f"### `{table.name}`\n", f"{table.comment}\n", "| column | type | meaning, unit |", "|---|---|---|", *rows]
    )


def _answer(connection: Connection, query: str) -> str:
    found = connection.exec_driver_sql(query)
    lines = [list(found.keys()), *[[_shown(value) for value in row] for row in found]]
    return "\n".join(
        [
            "| " + " | ".join(lines[0]) + " |",
            "|" + "---|" * len(lines[0]),
            *["| " + " | ".join(line) + " |" for line in lines[1:]],
        ]
    )


def _row(raw: RawActivity) -> str:
    row = validate(raw, ATHLETE)
    assert isinstance(row, Activity)
    lines = [f"| `{name}` | {_shown(value)} |" for name, value in row.model_dump().items()]
    return "\n".join(["| column | value |", "|---|---|", *lines])


def _shown(value: Any) -> str:
    shown = "" if value is None else str(value)
    return f"`{shown[:60]}…`" if len(shown) > 60 else shown.replace("|", "\\|")
