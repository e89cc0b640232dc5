"""100,000 rows into the table as a load does it, against COPY of the same rows and against an INSERT a row.

All start with the same rows, ready made: what validation costs is the benchmark `validation`.
"""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text

from benchmarks.figure import Figure
from strava_assets.local.postgres import Postgres
from strava_assets.mirror import load, migrations
from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.simulator.simulation import Simulation

ROWS, SAMPLE = 100_000, 5_000
NAMES = ", ".join(COLUMNS)
INSERT = (
    f"INSERT INTO strava_activity ({NAMES}) VALUES ({', '.join(f':{name}' for name in COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])}"
)
Row = tuple[Any, ...]


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The upsert into an empty and into a full table, and the two baselines."""
    rows = _rows()[: ROWS // 10 if quick else ROWS]
    with tempfile.TemporaryDirectory(prefix="strava-bench-") as folder, Postgres(Path(folder)) as server:
        engine = create_engine(make_url(server.url))
        migrations.upgrade(engine)
        single = _one_by_one(engine, rows[:SAMPLE]) * len(rows) / SAMPLE
        copied = _copy(engine, rows)
        _truncate(engine)
        empty = _upsert(engine, rows)
        before = _versions(engine)
        unchanged = _upsert(engine, rows)
        rewritten = len(before ^ _versions(engine))
        engine.dispose()
    for name, seconds in (("an empty table", empty), ("a full, unchanged table", unchanged)):
        yield Figure(
            f"upsert of {len(rows):,} rows into {name}, against COPY of the same rows",
            f"{len(rows) / seconds:,.0f} / {len(rows) / copied:,.0f} rows a second = {copied / seconds:.2f}×",
            "≥ 0.5×",
            copied / seconds >= 0.5,
        )
    yield Figure(
        f"the same into an empty table, against one INSERT … ON CONFLICT a row in one transaction (rate of {SAMPLE:,})",
        f"{single / empty:.0f}×",
        "≥ 40×",
        single / empty >= 40,
    )
    yield Figure("rows rewritten in the unchanged table", str(rewritten), "0", rewritten == 0)


def _rows() -> list[Row]:
    account = Simulation().add_athlete(42, years=20, per_year=ROWS // 20)
    valid = (validate(raw, 42) for raw in account.activities.values())
    return [tuple(row.__dict__.values()) for row in valid if isinstance(row, Activity)][:ROWS]


def _upsert(engine: Engine, rows: list[Row]) -> float:
    fetched_at = datetime.now(UTC)
    before = time.perf_counter()
    with engine.begin() as connection:
        load._create_staging_tables(connection)
        load._copy(connection, f"staged ({NAMES}, fetched_at)", ((*row, fetched_at) for row in rows))
        connection.execute(text("ANALYZE pg_temp.staged (id)"))
        connection.execute(load._UPSERT)
        load._drop_staging_tables(connection)
    return time.perf_counter() - before


def _copy(engine: Engine, rows: list[Row]) -> float:
    _truncate(engine)
    before = time.perf_counter()
    with engine.begin() as connection:
        load._copy(connection, f"strava_activity ({NAMES})", iter(rows))
    return time.perf_counter() - before


def _one_by_one(engine: Engine, rows: list[Row]) -> float:
    _truncate(engine)
    statement = text(INSERT)
    before = time.perf_counter()
    with engine.begin() as connection:
        for row in rows:
            connection.execute(statement, dict(zip(COLUMNS, row, strict=True)))
    return time.perf_counter() - before


def _truncate(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE strava_activity"))


def _versions(engine: Engine) -> set[Row]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text("SELECT id, xmin::text FROM strava_activity"))}
