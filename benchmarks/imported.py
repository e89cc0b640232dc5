"""One `strava-assets import` into fresh servers, and what it took."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks import strava_offline
from benchmarks.stack import running


@dataclass(frozen=True)
class Imported:
    """Seconds from the command's start until all rows could be queried and until every hour was recorded."""

    hours: int
    activities: int
    queryable: float
    done: float
    requests: int
    memory: float
    """The most that the command had at once, in megabytes."""
    offline: float | None
    """What strava-offline takes for the same activities, in seconds, if it is installed."""


def import_history(*, years: float, per_year: int, latency_ms: int = 0, against_offline: bool = False) -> Imported:
    """Import all of an athlete's years. Raises RuntimeError if the command fails."""
    start = datetime.now(UTC) - timedelta(days=365.25 * years)
    with running(years=years, per_year=per_year, latency_ms=latency_ms, start_date=start.strftime("%Y-%m-%d")) as stack:
        run = stack.run("-m", "strava_assets", "import")
        requests = stack.requests()
        offline = strava_offline.seconds(stack) if against_offline else None
    return Imported(
        hours=round(years * 365.25 * 24),
        activities=int(_number(r"(\d+) inserted", run.output)),
        # The command's own clock starts when it is loaded; ours when it was called.
        queryable=run.seconds
        - _number(r"Done after ([\d.]+) s", run.output)
        + _number(r"queried after ([\d.]+) s", run.output),
        done=run.seconds,
        requests=requests,
        memory=run.memory,
        offline=offline,
    )


def _number(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    if not found:
        raise RuntimeError(f"The import did not say how long it took: {output}")
    return float(found[1])
