"""One hour by the command line, cold, against the same command for two assets that do nothing."""

import statistics
from collections.abc import Iterator

from benchmarks.figure import Figure, ratio
from benchmarks.stack import Run, running

RUNS = 5
OURS = ("strava_assets.definitions", "raw_activities,strava_activity")
NOTHING = ("benchmarks.noop.definitions", "first,second")


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The two commands in turn, after one of each that is not counted."""
    with running(years=1, per_year=300) as stack:

        def materialise(module: str, select: str, hour: int) -> Run:
            return stack.run(
                *("-m", "dagster", "asset", "materialize", "-m", module, "--select", select),
                *("--partition", f"2026-10-10-{hour:02}:00"),
            )

        pairs = [(materialise(*OURS, hour), materialise(*NOTHING, hour)) for hour in range((2 if quick else RUNS) + 1)][
            1:
        ]
    memory = max(run.memory for run, _ in pairs)
    ours, nothing = [[run.seconds for run in runs] for runs in zip(*pairs, strict=True)]
    found = ratio(ours, nothing)
    yield Figure(
        "one hour, cold command line, against two no-op assets",
        f"{statistics.median(ours):.1f} s / {statistics.median(nothing):.1f} s = {found:.2f}×",
        "≤ 1.2×",
        found <= 1.2,
    )
    yield Figure("peak memory of that run", f"{memory:.0f} MB", "≤ 250 MB", memory <= 250)
