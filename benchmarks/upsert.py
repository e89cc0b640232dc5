"""100,000 activities into the table, against COPY of the same rows and against one INSERT an activity.

All start with the raw JSON: each validates it and makes its rows, as there is no load without.
"""

import io
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from benchmarks.figure import Figure
from strava_assets.local.postgres import Postgres
from strava_assets.mirror import migrations
from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.mirror.load import DeletionGuard, Statement, copy_line, mirror
from strava_assets.raw_activity import RawActivity
from strava_assets.simulator.simulation import Simulation

ROWS, SAMPLE = 100_000, 2_000
INSERT = (
    f"INSERT INTO strava_activity ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])}"
)


def measure() -> Iterator[Figure]:
    """The loads, into an empty and into a full table, and the two baselines."""
    activities = _activities()

    def as_read(raws: list[RawActivity]) -> list[RawActivity]:
        return [RawActivity(raw.text, raw.fields) for raw in raws]  # their digests are not computed yet

    def rows(raws: list[RawActivity]) -> list[Activity]:
        return [row for row in (validate(raw, 42) for raw in raws) if isinstance(row, Activity)]

    with tempfile.TemporaryDirectory(prefix="strava-bench-") as folder, Postgres(Path(folder)) as server:
        engine = create_engine(make_url(server.url))
        migrations.upgrade(engine)

        def load() -> float:
            statement = Statement(datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC), as_read(activities))
            before = time.perf_counter()
            with engine.begin() as connection:
                mirror(connection, 42, [statement], DeletionGuard(1.0))
            return time.perf_counter() - before

        def copy() -> float:
            raws = as_read(activities)
            with engine.begin() as connection:
                connection.execute(text("TRUNCATE strava_activity"))
                before = time.perf_counter()
                lines = "".join(copy_line(tuple(row.__dict__.values())) for row in rows(raws))
                cursor = connection.connection.cursor()
                cursor.copy_expert(f"COPY strava_activity ({', '.join(COLUMNS)}) FROM STDIN", io.StringIO(lines))
            return time.perf_counter() - before

        def one_by_one() -> float:
            raws = as_read(activities[:SAMPLE])
            with engine.begin() as connection:
                connection.execute(text("TRUNCATE strava_activity"))
                before = time.perf_counter()
                for row in rows(raws):
                    connection.execute(text(INSERT), row.model_dump())
            return (time.perf_counter() - before) * ROWS / SAMPLE

        single, copied = one_by_one(), copy()
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE strava_activity"))
        empty = load()
        before = _versions(engine)
        unchanged = load()
        rewritten = len(before ^ _versions(engine))
        engine.dispose()
    for name, seconds in (("an empty table", empty), ("a full, unchanged table", unchanged)):
        yield Figure(
            f"100,000 activities into {name}, against COPY of the same rows",
            f"{ROWS / seconds:,.0f} / {ROWS / copied:,.0f} rows a second = {copied / seconds:.2f}×",
            "≥ 0.5×",
            copied / seconds >= 0.5,
        )
    yield Figure(
        "the same into an empty table, against one INSERT … ON CONFLICT an activity (rate of 2,000)",
        f"{single / empty:.0f}×",
        "≥ 40×",
        single / empty >= 40,
    )
    yield Figure("rows rewritten in the unchanged table", str(rewritten), "0", rewritten == 0)


def _activities() -> list[RawActivity]:
    simulation = Simulation()
    account = simulation.add_athlete(42, years=20, per_year=ROWS // 20)
    return list(account.activities.values())[:ROWS]


def _versions(engine: object) -> set[tuple[int, str]]:
    with engine.connect() as connection:  # type: ignore[attr-defined] - a SQLAlchemy engine
        return {tuple(row) for row in connection.execute(text("SELECT id, xmin::text FROM strava_activity"))}
