"""100,000 rows into the table as a load does it, against COPY of the same rows and against an INSERT a row.

All start with the same rows, ready made: what validation costs is the benchmark `validation`.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.dialects.postgresql import Insert, insert

from benchmarks.figure import Figure, ratio
from strava_assets.local.postgres import Postgres
from strava_assets.mirror import load, migrations
from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.mirror.bulk_copy import copy_rows
from strava_assets.mirror.staging import create_staging_tables, drop_staging_tables
from strava_assets.mirror.table import activity
from strava_assets.simulator.simulation import Simulation

ROUNDS = 3
ROWS, SAMPLE = 100_000, 2_000
NAMES = ", ".join(COLUMNS)
Row = tuple[Any, ...]


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The upsert into an empty and into a full table, and the baselines, in turn; medians."""
    rows = _rows()[: ROWS // 10 if quick else ROWS]
    made_anew, made_once, copied, empty, unchanged = [], [], [], [], []
    rewritten = 0
    with tempfile.TemporaryDirectory(prefix="strava-bench-") as folder, Postgres(Path(folder)) as server:
        engine = create_engine(make_url(server.url))
        migrations.upgrade(engine)
        for _ in range(1 if quick else ROUNDS):
            made_anew.append(_one_by_one(engine, rows[:SAMPLE], _upsert_statement) / SAMPLE * len(rows))
            made_once.append(_one_by_one(engine, rows[:SAMPLE], cache(_upsert_statement)) / SAMPLE * len(rows))
            copied.append(_copy(engine, rows))
            _truncate(engine)
            empty.append(_upsert(engine, rows))
            before = _versions(engine)
            unchanged.append(_upsert(engine, rows))
            rewritten += len(before ^ _versions(engine))
        engine.dispose()
    for name, seconds in (("an empty table", empty), ("a full, unchanged table", unchanged)):
        found = ratio(copied, seconds)
        yield Figure.at_least(
            f"upsert of {len(rows):,} rows into {name}, against COPY of the same rows",
            f"{_rate(rows, seconds)} / {_rate(rows, copied)} rows a second = {found:.2f}×",
            found,
            0.5,
            "×",
        )
    for name, seconds in (("each made anew", made_anew), ("made once", made_once)):
        found = ratio(seconds, empty)
        yield Figure.at_least(
            f"the same into an empty table, against an INSERT … ON CONFLICT a row in one transaction, {name}",
            f"{found:.0f}× its {_rate(rows, seconds)} rows a second (of {SAMPLE:,})",
            found,
            40,
            "×",
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
        create_staging_tables(connection)
        copy_rows(connection, f"staged ({NAMES}, fetched_at)", ((*row, fetched_at) for row in rows))
        connection.execute(text("ANALYZE pg_temp.staged (id)"))
        connection.execute(load._UPSERT)
        drop_staging_tables(connection)
    return time.perf_counter() - before


def _copy(engine: Engine, rows: list[Row]) -> float:
    _truncate(engine)
    before = time.perf_counter()
    with engine.begin() as connection:
        copy_rows(connection, f"strava_activity ({NAMES})", iter(rows))
    return time.perf_counter() - before


def _upsert_statement() -> Insert:
    statement = insert(activity)
    changes = {name: statement.excluded[name] for name in COLUMNS[1:]}
    return statement.on_conflict_do_update(index_elements=["id"], set_=changes)


def _one_by_one(engine: Engine, rows: list[Row], statement: Callable[[], Insert]) -> float:
    _truncate(engine)
    before = time.perf_counter()
    with engine.begin() as connection:
        for row in rows:
            connection.execute(statement(), dict(zip(COLUMNS, row, strict=True)))
    return time.perf_counter() - before


def _rate(rows: list[Row], seconds: list[float]) -> str:
    return f"{len(rows) / statistics.median(seconds):,.0f}"


def _truncate(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE strava_activity"))


def _versions(engine: Engine) -> set[Row]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text("SELECT id, xmin::text FROM strava_activity"))}
