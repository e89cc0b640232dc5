"""Five years, 5,000 activities, 43,800 hours: the import, and the event log against Dagster's own."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.figure import Figure
from benchmarks.stack import Stack, running

STOCK = "storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\ntelemetry: {enabled: false}\n"
HOURS = 2000


def measure() -> Iterator[Figure]:
    """The import at 0 and at 80 ms a request, then 2,000 hours on both storages."""
    for latency, aim in ((0, 15), (80, 20)):
        with running(years=5, per_year=1000, latency_ms=latency) as stack:
            done_run = stack.run("-m", "strava_assets", "import")
            requests = stack.requests()
        rows = _seconds(r"queried after ([\d.]+) s", done_run.said)
        done = _seconds(r"Done after ([\d.]+) s", done_run.said)
        yield Figure(
            f"43,800 hours, 5,000 activities, {latency} ms a request: all rows queryable",
            f"{rows:.1f} s (recorded in Dagster after {done:.0f} s)",
            f"≤ {aim} s",
            rows <= aim,
        )
        yield Figure("API requests of that import", str(requests), "≤ 27", requests <= 27)
        yield Figure("peak memory of that import", f"{done_run.memory:.0f} MB", "≤ 400 MB", done_run.memory <= 400)
    with running(years=0.3, per_year=1000) as stack:
        bulk = _range(stack)
        (stack.folder / "dagster.yaml").write_text(STOCK)
        stack.environment["DAGSTER_POSTGRES_URL"] = stack.environment["DATABASE_URL"].replace("/strava?", "/dagster?")
        stock = _range(stack)
    yield Figure(
        f"{HOURS} hours × 2 assets as one range, against stock Postgres storage",
        f"{bulk:.1f} s / {stock:.1f} s = {stock / bulk:.1f}× faster",
        "≥ 15×",
        stock / bulk >= 15,
    )


def _range(stack: Stack) -> float:
    last = datetime.now(UTC) - timedelta(hours=2)
    first = last - timedelta(hours=HOURS - 1)
    keys = "...".join(each.strftime("%Y-%m-%d-%H:00") for each in (first, last))
    command = ("-m", "dagster", "asset", "materialize", "-m", "strava_assets.definitions")
    return stack.run(*command, "--select", "raw_activities,strava_activity", "--partition-range", keys).seconds


def _seconds(pattern: str, said: str) -> float:
    found = re.search(pattern, said)
    if not found:
        raise RuntimeError(f"The import did not say how long it took: {said}")
    return float(found[1])
