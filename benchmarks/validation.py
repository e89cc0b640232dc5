"""Validating an activity and making its row, with and without its digest, against pydantic's validation alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.figure import Figure
from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw.activity import RawActivity
from strava_assets.simulator.simulation import Simulation

ROUNDS = 20
AT_A_TIME = 100


class _Digested(RawActivity):
    """An activity whose digest costs nothing."""

    digest = "0" * 32


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The three in turn on the same 5,000 records, a hundred at a time, so that all meet the same disturbances."""
    raws = list(Simulation().add_athlete(42, years=5, per_year=1000).activities.values())
    digested = [_Digested(raw.text, raw.fields) for raw in raws]
    ready = [{**raw.fields, "athlete_id": 42, "digest": raw.digest} for raw in raws]

    with_digest = without = alone = 0.0
    for _ in range(2 if quick else ROUNDS):
        for start in range(0, len(raws), AT_A_TIME):
            part = slice(start, start + AT_A_TIME)
            with_digest += _seconds(_validated, raws[part])
            without += _seconds(_validated, digested[part])
            alone += _seconds(Activity.model_validate, ready[part])
    for name, seconds in (("validation", without), ("validation and digest", with_digest)):
        found = seconds / alone
        yield Figure.at_most(f"{name}, against pydantic's validation alone", f"{found:.2f}×", found, 1.5, "×")


def _validated(raw: RawActivity) -> object:
    return validate(raw, 42)


def _seconds(act: Callable[[Any], object], items: Sequence[object]) -> float:
    before = time.perf_counter()
    for item in items:
        act(item)
    return time.perf_counter() - before
