"""Five years, 5,000 activities, 43,800 hours: the import, and the event log against Dagster's own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.figure import Figure
from benchmarks.imported import import_history
from benchmarks.stack import Stack, running

YEARS, PER_YEAR, HOURS = 5.0, 1000, 2000
QUICK_YEARS, QUICK_HOURS = 0.5, 300


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The import at 0 and at 80 ms a request, then a range of hours on both storages."""
    years, hours = (QUICK_YEARS, QUICK_HOURS) if quick else (YEARS, HOURS)
    for latency, aim in ((0, 15), (80, 20)):
        found = import_history(years=years, per_year=PER_YEAR, latency_ms=latency, against_offline=True)
        what = f"{found.hours:,} hours, {found.activities:,} activities, {latency} ms a request"
        beside = f"; strava-offline {found.offline:.1f} s" if found.offline else ""
        yield Figure.at_most(
            f"{what}: all rows queryable",
            f"{found.queryable:.1f} s (recorded in Dagster after {found.done:.0f} s{beside})",
            found.queryable,
            aim,
            " s",
        )
        most = -(-found.activities // 200) + 2
        yield Figure.at_most("API requests of that import", str(found.requests), found.requests, most)
        yield Figure.at_most("peak memory of that import", f"{found.memory:.0f} MB", found.memory, 400, " MB")
    with running(years=0.3, per_year=PER_YEAR) as stack:
        bulk = _range(stack, hours)
        stock = _range(stack.with_stock_dagster(), hours)
    yield Figure.at_least(
        f"{hours:,} hours × 2 assets as one range, against stock Postgres storage",
        f"{bulk:.1f} s / {stock:.1f} s = {stock / bulk:.1f}× faster",
        stock / bulk,
        15,
        "×",
    )


def _range(stack: Stack, hours: int) -> float:
    last = datetime.now(UTC) - timedelta(hours=2)
    first = last - timedelta(hours=hours - 1)
    keys = "...".join(each.strftime("%Y-%m-%d-%H:00") for each in (first, last))
    command = ("-m", "dagster", "asset", "materialize", "-m", "strava_assets.definitions")
    return stack.run(*command, "--select", "raw_activities,strava_activity", "--partition-range", keys).seconds
