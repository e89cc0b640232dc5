"""Validating an activity and making its row, digest and all, against pydantic's validation alone."""

import time
from collections.abc import Iterator

from benchmarks.figure import Figure, ratio
from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw_activity import RawActivity
from strava_assets.simulator.simulation import Simulation

ROUNDS = 5


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The two in turn, on the same 5,000 records."""
    account = Simulation().add_athlete(42, years=5, per_year=1000)
    raws = list(account.activities.values())
    ready = [{**raw.fields, "athlete_id": 42, "digest": raw.digest} for raw in raws]

    ours, alone = [], []
    for _ in range(2 if quick else ROUNDS):
        # As they come from a page: an activity remembers its digest.
        fresh = [RawActivity(raw.text, raw.fields) for raw in raws]
        before = time.perf_counter()
        for raw in fresh:
            validate(raw, 42)
        between = time.perf_counter()
        for fields in ready:
            Activity.model_validate(fields)
        ours.append(between - before)
        alone.append(time.perf_counter() - between)
    found = ratio(ours, alone)
    yield Figure("validation and digest, against pydantic's validation alone", f"{found:.2f}×", "≤ 1.5×", found <= 1.5)
