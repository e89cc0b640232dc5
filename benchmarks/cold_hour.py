"""One hour by the command line, cold, against the same command for two assets that do nothing."""

import statistics
from collections.abc import Iterator

from benchmarks.figure import Figure, ratio
from benchmarks.stack import Run, Stack, running

RUNS = 9
OURS = ("strava_assets.definitions", "raw_activities,strava_activity")
NOTHING = ("benchmarks.noop.definitions", "first,second")


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The three commands in turn, after one of each that is not counted."""
    with running(years=1, per_year=300) as stack:
        stock = stack.with_stock_dagster()
        rounds = [
            (_materialise(stack, *OURS, hour), _materialise(stock, *NOTHING, hour), _materialise(stack, *NOTHING, hour))
            for hour in range((2 if quick else RUNS) + 1)
        ][1:]
    ours, nothing, nothing_here = [[run.seconds for run in runs] for runs in zip(*rounds, strict=True)]
    for name, seconds in (("of a stock Dagster", nothing), ("on this project's storage", nothing_here)):
        found = ratio(ours, seconds)
        yield Figure.at_most(
            f"one hour, cold command line, against two no-op assets {name}",
            f"{statistics.median(ours):.1f} s / {statistics.median(seconds):.1f} s = {found:.2f}×",
            found,
            1.2,
            "×",
        )
    memory = max(run.memory for run, _, _ in rounds)
    yield Figure.at_most("peak memory of that run", f"{memory:.0f} MB", memory, 250, " MB")


def _materialise(stack: Stack, module: str, select: str, hour: int) -> Run:
    command = ("-m", "dagster", "asset", "materialize", "-m", module, "--select", select)
    return stack.run(*command, "--partition", f"2026-10-10-{hour:02}:00")
