"""All views over 20,000 activities of 20 years, and the report of 5,000: time, size, memory."""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text

from benchmarks.figure import Figure
from strava_assets.local.postgres import Postgres
from strava_assets.mirror.activity import Activity, validate
from strava_assets.mirror.table import activity
from strava_assets.provisioning import migrate
from strava_assets.raw.activity import split_array
from strava_assets.report.making import make_report
from strava_assets.simulator.exact_json import spell
from strava_assets.simulator.history import history
from strava_assets.views.catalog import views

YEARS, PER_YEAR, ROUNDS = 20, 1000, 3
REPORT_ACTIVITIES = 5_000
BATCH = 2_000


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """Each view's slowest, the growth from half the history to all of it, then the report in a process of its own."""
    years = YEARS // 4 if quick else YEARS
    with tempfile.TemporaryDirectory(prefix="strava-bench-") as folder, Postgres(Path(folder) / "postgres") as server:
        url = make_url(server.url)
        migrate(url)
        engine = create_engine(url)
        half = _fill(engine, years / 2)
        before = _milliseconds(engine)
        count = _fill(engine, years)
        found = _milliseconds(engine)
        slowest = max(found, key=lambda name: found[name])
        yield Figure.at_most(
            f"slowest of {len(found)} views over {count:,} activities of {years} years",
            f"{slowest}: {found[slowest]:.0f} ms; all together {sum(found.values()):.0f} ms",
            found[slowest],
            300,
            " ms",
        )
        growth = sum(found.values()) / sum(before.values()) / (count / half)
        yield Figure.at_most(
            f"growth of all views from {half:,} to {count:,} activities, against linear",
            f"{growth:.2f}×",
            growth,
            1.2,
            "×",
        )
        _fill(engine, REPORT_ACTIVITIES / PER_YEAR)
        engine.dispose()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, size, memory = pool.apply(_report, (url.render_as_string(hide_password=False),))
        what = f"report of {REPORT_ACTIVITIES:,} activities"
        yield Figure.at_most(f"{what}, seconds", f"{seconds:.2f} s", seconds, 3, " s")
        yield Figure.at_most(f"{what}, size", f"{size / 1e6:.2f} MB", size / 1e6, 1.5, " MB")
        yield Figure.at_most(f"{what}, memory of the process", f"{memory:.0f} MB", memory, 250, " MB")


def _fill(engine: Engine, years: float) -> int:
    """Replace all activities by those of the last years; how many."""
    now = datetime.now(UTC)
    start = now - timedelta(days=365.25 * years)
    raw = split_array(spell(list(history(42, start=start, end=now, per_year=PER_YEAR, seed=1))))
    rows = [row.model_dump() for row in (validate(each, 42) for each in raw) if isinstance(row, Activity)]
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE strava_activity"))
        for first in range(0, len(rows), BATCH):
            connection.execute(activity.insert(), rows[first : first + BATCH])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE strava_activity"))
    return len(rows)


def _milliseconds(engine: Engine) -> dict[str, float]:
    """What each view takes in Postgres, all of its rows and columns: the median."""
    found = {}
    with engine.connect() as connection:
        for view in views():
            query = text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT * FROM strava_analytics.{view.name}")
            times = [connection.scalar(query)[0]["Execution Time"] for _ in range(ROUNDS)]
            found[view.name] = statistics.median(times)
    return found


def _report(url: str) -> tuple[float, int, float]:
    """Seconds, bytes, and megabytes of the process that makes it."""
    engine = create_engine(url)
    began = time.perf_counter()
    page = make_report(engine, 42)
    seconds = time.perf_counter() - began
    # Not getrusage's: that one remembers the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return seconds, len(page.encode()), int(status["VmHWM"].split()[0]) / 1024
