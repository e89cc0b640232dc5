"""How the import grows with the history: 1, 2, 5, 10 and 20 years of 1,000 activities, drawn as docs/growth.svg."""

from collections.abc import Iterator

from benchmarks.chart import Line, draw
from benchmarks.figure import Figure
from benchmarks.imported import Imported, import_history
from benchmarks.stack import PROJECT

YEARS, QUICK_YEARS = (1, 2, 5, 10, 20), (0.25, 0.5, 1)
PER_YEAR = 1000
DRAWING = PROJECT / "docs" / "growth.svg"


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """One import a length, each into servers of its own; the longest is held against the shortest, year by year."""
    years = QUICK_YEARS if quick else YEARS
    imports = [import_history(years=each, per_year=PER_YEAR) for each in years]
    if not quick:
        DRAWING.write_text(_drawing(years, imports))
    for length, found in zip(years, imports, strict=True):
        yield Figure.at_most(
            f"{length} years, {found.hours:,} hours: all rows queryable; recorded in Dagster; peak memory",
            f"{found.queryable:.1f} s; {found.done:.0f} s; {found.memory:.0f} MB",
            found.memory,
            400,
            " MB",
        )
    first = next(found for found in imports if found.hours >= imports[-1].hours / 4)
    last = imports[-1]
    for what, earlier, later in (
        ("until a thousand activities can be queried", _to_query(first), _to_query(last)),
        ("to record a thousand hours", _to_record(first), _to_record(last)),
    ):
        yield Figure(
            f"time {what}, longest history against the shortest that lasts a quarter of it",
            f"{later:.2f} s / {earlier:.2f} s = {later / earlier:.2f}×",
            "linear: ≤ 1.2×",
            later / earlier <= 1.2,
        )


def _to_query(found: Imported) -> float:
    return found.queryable / found.activities * 1000


def _to_record(found: Imported) -> float:
    return (found.done - found.queryable) / found.hours * 1000


def _drawing(years: tuple[float, ...], imports: list[Imported]) -> str:
    return draw(
        "An import by the length of the history, 1,000 activities a year",
        "years of history",
        years,
        [
            Line("all rows queryable, seconds", [found.queryable for found in imports], "#fc4c02"),
            Line("every hour recorded in Dagster, seconds", [found.done for found in imports], "#4f43dd"),
            Line("peak memory, megabytes", [found.memory for found in imports], "#6b7280"),
        ],
    )
