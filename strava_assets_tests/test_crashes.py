"""A process killed with SIGKILL at any point leaves nothing that the next run or look does not put right.

docs/crashes.md has the table of the points.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.simulator.simulation import Simulation
from strava_assets.sync import fetch
from strava_assets_tests import kill_points
from strava_assets_tests.athletes import add_more_than_a_page, log_in
from strava_assets_tests.dagster_runs import metadata, problem, run
from strava_assets_tests.equality import expected_rows, rows

pytestmark = pytest.mark.slow

NOW = floor_to_hour(datetime.now(UTC))
LAST_HOURS = Window.of(NOW - 12 * HOUR, NOW - HOUR)

# Processes are forked from one that has loaded everything and runs no threads: a child costs milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["strava_assets_tests.dagster_runs"])


@pytest.fixture
def strava(strava: Simulation) -> Simulation:
    """With more activities than a page holds."""
    add_more_than_a_page(strava, LAST_HOURS)
    return strava


def run_in_this_process(environment: Mapping[str, str], folder: Path, window: Window, resumed: timedelta) -> None:
    os.environ.update(environment)
    kill_points.install(folder)
    fetch.RESUMED_FROM = resumed
    assert run(window).success


def die(environment: Mapping[str, str], folder: Path, point: str, window: Window) -> None:
    """Materialise the window in a process that is killed at the point."""
    kill_points.arm(folder, point)
    process = processes.Process(
        target=run_in_this_process, args=(dict(environment), folder, window, fetch.RESUMED_FROM)
    )
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL


def transactions(environment: dict[str, str]) -> dict[int, str]:
    """The transaction that wrote each row."""
    engine = create_engine(environment["DATABASE_URL"])
    with engine.connect() as connection:
        found = {row.id: row.xmin for row in connection.execute(text("SELECT id, xmin::text FROM strava_activity"))}
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("point", "rows_left"),
    [
        ("before the request", 0),
        ("after some raw objects", 0),
        ("after the last object, before the table", 0),
        ("inside the transaction", 0),
        ("after the commit", 250),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_a_run_killed_there_is_made_good_by_the_next(
    strava: Simulation, environment: dict[str, str], tmp_path: Path, point: str, rows_left: int
):
    die(environment, tmp_path, point, LAST_HOURS)
    assert len(rows(environment)) == rows_left
    before = transactions(environment)
    result = run(LAST_HOURS)
    assert result.success
    assert "resumed_42" not in metadata(result, "raw_activities")
    assert rows(environment) == expected_rows(strava)
    after = transactions(environment)
    assert before.items() <= after.items()
    assert run(LAST_HOURS).success
    assert transactions(environment) == after


def test_two_runs_on_the_same_hours_at_once_end_in_the_same_rows(
    strava: Simulation, environment: dict[str, str], tmp_path: Path
):
    both = [
        processes.Process(target=run_in_this_process, args=(environment, tmp_path, LAST_HOURS, fetch.RESUMED_FROM))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(300)
        assert process.exitcode == 0
    assert rows(environment) == expected_rows(strava)


def test_a_long_range_killed_after_a_page_goes_on_there(
    strava: Simulation, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetch, "RESUMED_FROM", HOUR)
    die(environment, tmp_path, "after the first page", LAST_HOURS)
    requests = len(strava.requests)
    result = run(LAST_HOURS)
    assert result.success
    assert "resumed_42" in metadata(result, "raw_activities")
    assert len(strava.requests) == requests + 2  # the rest, and the empty page that ends it
    assert rows(environment) == expected_rows(strava)


def test_a_run_killed_between_a_tokens_renewal_and_its_save_asks_for_a_new_login(
    strava: Simulation, environment: dict[str, str], tmp_path: Path
):
    log_in(environment, strava, expires_at=1)
    die(environment, tmp_path, "between a token's renewal and its save", LAST_HOURS)
    Redis.from_url(environment["REDIS_URL"]).delete("strava:lock:STRAVA_TOKEN")  # or 240 seconds
    failed = run(LAST_HOURS)
    assert not failed.success
    assert "strava-assets login" in problem(failed)
    assert rows(environment) == {}
    log_in(environment, strava)
    assert run(LAST_HOURS).success
    assert rows(environment) == expected_rows(strava)
