"""What `strava-assets import` has fetched becomes a run in Dagster, with an event for each hour."""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import dagster as dg
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from strava_assets.cli.console import console, counted
from strava_assets.cli.dagster_runs import STORAGE_ERRORS, materialise, open_instance
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG, IMPORT, IMPORTED_TAG, reason_tags
from strava_assets.errors import ServiceUnavailable, TransientError
from strava_assets.hours import Window


def record(window: Window, sums: Mapping[str, int]) -> None:
    """Have a run materialise the window's hours, which are fetched; `sums` are the import's, for the last of them.

    Raises TransientError if that fails; running the same command again records them.
    """
    try:
        problem = _run(window, sums)
    except ServiceUnavailable as error:
        problem = str(error)
    if problem:
        raise TransientError(
            f"The rows are there, but recording them in Dagster failed: {problem} Run the same command again."
        )


def _run(window: Window, sums: Mapping[str, int]) -> str | None:
    """Why the run failed; None if it did not."""
    hours = sum(1 for _ in window.hours())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with open_instance() as instance, Progress(*columns, console=console()) as display:
        task = display.add_task(f"Recording {counted(hours, 'hour')} in Dagster", total=2 * hours)
        before = _recorded(instance)
        finished = threading.Event()

        def watch() -> None:
            pause = 2.0
            while not finished.wait(pause):
                requested = time.monotonic()
                with suppress(*STORAGE_ERRORS):  # of which the run will tell
                    display.update(task, completed=max(0, _recorded(instance) - before))
                # Counting takes longer the more there is: it must not hold up what it counts.
                pause = max(2.0, 20 * (time.monotonic() - requested))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            tags = reason_tags(IMPORT) | {FETCHED_TAG: datetime.now(UTC).isoformat(timespec="seconds")}
            tags |= {IMPORTED_TAG: json.dumps(sums)} if sums else {}
            # Planning each hour of a history would double what Dagster keeps of it, to show half a minute's progress.
            problem = materialise(instance, window, tags, plan_hours=False).failure
        finally:
            finished.set()
            watcher.join()
        display.update(task, completed=2 * hours)
    return problem


def _recorded(instance: dg.DagsterInstance) -> int:
    keys = (Names().raw_activities, Names().strava_activity)
    return sum(len(instance.get_materialized_partitions(key)) for key in keys)
