"""A tick of the sensor with nothing changed, 30 days and 200 activities, against its API requests alone."""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.figure import Figure
from benchmarks.stack import running
from strava_assets.hours import Window, floor_to_hour
from strava_assets.services import open_client, open_engine, open_store
from strava_assets.settings import Settings
from strava_assets.sync.compare import make_comparer

ROUNDS = 7


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """Listing and comparing, and listing alone, in turn."""
    now = floor_to_hour(datetime.now(UTC))
    window = Window(now - timedelta(days=30), now + timedelta(hours=1))
    with running(years=0.08, per_year=2500, start_date=(now - timedelta(days=31)).strftime("%Y-%m-%d")) as stack:
        stack.run("-m", "strava_assets", "import")
        settings = Settings.from_environment()
        with open_client(settings) as client:
            comparer = make_comparer(client, open_store(settings), open_engine(settings), settings.max_delete_share)
            (athlete,) = client.athletes()
            extra = []
            for _ in range(3 if quick else ROUNDS):
                before = time.perf_counter()
                list(client.activities(athlete, window))
                listed = time.perf_counter()
                comparison = comparer.compare(window)
                extra.append((time.perf_counter() - listed) - (listed - before))
    milliseconds = statistics.median(extra) * 1000
    yield Figure.at_most(
        f"a comparison with nothing changed, {comparison.listed} activities, on top of its API requests",
        f"{milliseconds:.0f} ms",
        milliseconds,
        150,
        " ms",
    )
