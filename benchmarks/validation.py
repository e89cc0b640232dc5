"""Validating an activity and making its row, with and without its digest, against pydantic's validation alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.figure import Figure, ratio
from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw_activity import RawActivity
from strava_assets.simulator.simulation import Simulation

ROUNDS = 5


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The three in turn, on the same 5,000 records."""
    account = Simulation().add_athlete(42, years=5, per_year=1000)
    raws = list(account.activities.values())
    ready = [{**raw.fields, "athlete_id": 42, "digest": raw.digest} for raw in raws]  # and `raws` remember digests now

    with_digest, without, alone = [], [], []
    for _ in range(2 if quick else ROUNDS):
        fresh = [RawActivity(raw.text, raw.fields) for raw in raws]  # as they come from a page
        with_digest.append(_seconds(_validated, fresh))
        without.append(_seconds(_validated, raws))
        alone.append(_seconds(Activity.model_validate, ready))
    for name, seconds in (("validation", without), ("validation and digest", with_digest)):
        found = ratio(seconds, alone)
        yield Figure(f"{name}, against pydantic's validation alone", f"{found:.2f}×", "≤ 1.5×", found <= 1.5)


def _validated(raw: RawActivity) -> object:
    return validate(raw, 42)


def _seconds(act: Callable[[Any], object], items: Sequence[object]) -> float:
    before = time.perf_counter()
    for item in items:
        act(item)
    return time.perf_counter() - before
