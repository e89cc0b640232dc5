"""`strava-assets import` that is stopped in its middle, and run again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
import psutil
import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from redis import Redis

from strava_assets.cli.import_history import requested_window
from strava_assets.cli.main import main
from strava_assets.hours import Window, floor_to_hour
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import log_in
from strava_assets_tests.equality import expected_rows, rows
from strava_assets_tests.proxy import Proxy, cut_after

FIRST = datetime.now(UTC) - timedelta(days=38)
pytestmark = pytest.mark.usefixtures("dagster_home")

TRY_AGAIN = 75
"""The exit code of what may help when it is run again: sysexits' EX_TEMPFAIL."""


@pytest.mark.parametrize("last", [datetime(9999, 12, 31), datetime(2026, 11, 23), datetime(2026, 11, 24)])  # noqa: DTZ001 - click's
def test_the_last_day_may_be_any_that_a_calendar_has(last: datetime):
    now = datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    settings = Settings.from_environment({"STRAVA_START_DATE": "2026-11-01"})
    assert requested_window(settings, None, last, now) == Window(settings.start_date, now.replace(hour=14, minute=0))


@pytest.fixture
def strava(environment: dict[str, str], simulation: Simulation) -> Simulation:
    """One athlete with more than two pages of activities, logged in."""
    simulation.add_athlete(42)
    for number in range(450):
        start = FIRST + timedelta(hours=2 * number, minutes=5)
        simulation.add_activity(42, start_date=strava_time(start))
    log_in(environment, simulation)
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    return simulation


def import_history(*options: str) -> Result:
    options = options or ("--from", f"{FIRST:%Y-%m-%d}")
    return CliRunner().invoke(main, ["import", *options], catch_exceptions=False)


def import_cut_after(monkeypatch: pytest.MonkeyPatch, name: str, way: Proxy, *options: str) -> Result:
    """An import that loses a service once the function has done its work; the service is back afterwards."""
    with monkeypatch.context() as patched:
        cut_after(patched, name, way)
        lost = import_history(*options)
    way.mend()
    assert lost.exit_code == TRY_AGAIN
    return lost


@pytest.mark.slow
def test_an_import_that_lost_a_service_fetches_only_what_is_missing(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    lost = import_cut_after(monkeypatch, "strava_assets.sync.fetch.ResumePoints.reach", ways["S3"])
    assert lost.output.splitlines()[-1].startswith("error: S3 at ")
    truth = expected_rows(strava)
    there = rows(environment)
    assert 0 < len(there) < 200
    assert all(truth[key] == row for key, row in there.items())

    asked_before = len(strava.requests)
    again = import_history()
    assert again.exit_code == 0, again.output
    assert "was fetched by an earlier try" in again.output
    assert rows(environment) == truth
    assert len(strava.requests) - asked_before == 3  # pages two and three, and the empty one behind them


@pytest.mark.slow
def test_an_import_whose_recording_failed_is_recorded_by_the_next_try_without_a_request(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    lost = import_cut_after(monkeypatch, "strava_assets.state.pending_import.PendingImport.remember", ways["Redis"])
    assert "error: The rows are there, but recording them in Dagster failed: Redis at " in lost.output
    assert rows(environment) == expected_rows(strava)

    asked_before = len(strava.requests)
    again = import_history()
    assert again.exit_code == 0, again.output
    assert "it only has to be recorded in Dagster" in again.output
    assert len(strava.requests) == asked_before
    assert rows(environment) == expected_rows(strava)


@pytest.mark.slow
@pytest.mark.usefixtures("strava")
def test_an_import_that_lost_dagster_s_database_while_it_recorded_says_so_in_a_line(
    ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    lost = import_cut_after(monkeypatch, "dagster.DagsterInstance.add_run_tags", ways["Postgres"])
    (error,) = [line for line in lost.output.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: The rows are there, but recording them in Dagster failed: Dagster's storage, ")
    assert error.endswith("Run the same command again.")
    assert "Traceback" not in lost.output
    assert raised == []
    assert import_history().exit_code == 0


REMEMBER = "strava_assets.state.pending_import.PendingImport.remember"


@pytest.mark.slow
def test_an_import_whose_recording_failed_does_not_stand_for_one_of_more_days(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    days = ("--from", f"{FIRST:%Y-%m-%d}", "--to", f"{FIRST + timedelta(days=9):%Y-%m-%d}")
    import_cut_after(monkeypatch, REMEMBER, ways["Redis"], *days)
    assert 0 < len(rows(environment)) < 200
    assert import_history().exit_code == 0
    assert rows(environment) == expected_rows(strava)


@pytest.mark.slow
def test_an_import_whose_recording_failed_does_not_stand_for_an_athlete_who_logged_in_later(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    import_cut_after(monkeypatch, REMEMBER, ways["Redis"])
    strava.add_athlete(43)
    strava.add_activity(43, start_date=f"{FIRST + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}")
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN:43", json.dumps(strava.grant(43)))
    assert import_history().exit_code == 0
    assert rows(environment) == expected_rows(strava)


@pytest.mark.slow
def test_an_import_whose_recording_failed_does_not_stand_for_one_after_a_purge(
    strava: Simulation, environment: dict[str, str], ways: dict[str, Proxy], monkeypatch: pytest.MonkeyPatch
):
    import_cut_after(monkeypatch, REMEMBER, ways["Redis"])
    assert CliRunner().invoke(main, ["purge", "--athlete", "42", "--yes"], catch_exceptions=False).exit_code == 0
    log_in(environment, strava)
    assert import_history().exit_code == 0
    assert rows(environment) == expected_rows(strava)


def copies_its_output(pid: int) -> bool:
    """Whether the processes run that Dagster starts beside a step for what it prints."""
    return any("watch_orphans" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_hours_are_recorded_ends_it_in_a_line_with_a_cancelled_run(
    strava: Simulation, environment: dict[str, str], number: signal.Signals
):
    first = f"{datetime.now(UTC) - timedelta(days=400):%Y-%m-%d}"
    stopped = subprocess.Popen(
        [sys.executable, "-m", "strava_assets", "import", "--from", first],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with DagsterInstance.get() as instance:
        deadline = time.monotonic() + 300
        while not (
            instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])) and copies_its_output(stopped.pid)
        ):
            assert stopped.poll() is None, stopped.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # for the copying processes to be at work
        if number == signal.SIGINT:
            os.killpg(stopped.pid, number)  # a terminal's Ctrl-C goes to all of its processes
        else:
            stopped.send_signal(number)
        _, error = stopped.communicate(timeout=60)
        assert stopped.returncode == 130
        assert error.strip() == "Interrupted. Run the same command again, and it goes on from here."
        (run,) = instance.get_runs()
        assert run.status == DagsterRunStatus.CANCELED
    assert import_history("--from", first).exit_code == 0
    assert rows(environment) == expected_rows(strava)


@pytest.mark.slow
@pytest.mark.usefixtures("strava")
def test_every_hour_that_is_over_is_filled_and_those_with_activities_say_what_they_hold(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("STRAVA_START_DATE", f"{FIRST - timedelta(days=3):%Y-%m-%d}")
    before = datetime.now(UTC)
    result = CliRunner().invoke(main, ["import"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    last = before.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    busy = floor_to_hour(FIRST + timedelta(hours=2 * 400, minutes=5))
    with dg.DagsterInstance.get() as instance:
        for name in ("raw_activities", "strava_activity"):
            key = dg.AssetKey(name)
            filled = instance.get_materialized_partitions(key)
            assert f"{FIRST - timedelta(days=3):%Y-%m-%d}-00:00" in filled
            assert f"{last:%Y-%m-%d-%H:00}" in filled
            assert f"{before:%Y-%m-%d-%H:00}" not in filled
            of_busy, of_last = (
                dict(event.asset_materialization.metadata)
                for hour in (busy, last)
                for event in instance.fetch_materializations(
                    dg.AssetRecordsFilter(asset_key=key, asset_partitions=[f"{hour:%Y-%m-%d-%H:00}"]), limit=1
                ).records
                if event.asset_materialization
            )
            if name == "raw_activities":
                assert "object_42" in of_busy
                assert of_last["activities"].value == 450
                assert int(str(of_last["api_requests"].value)) > 2
            else:
                assert of_busy["dagster/partition_row_count"].value == 1
                assert of_last["inserted"].value == 450
        # Two rows an hour would be as much again as all that an import leaves.
        (run,) = instance.get_runs()
        planned = instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        assert [entry.get_dagster_event().partition for entry in planned] == [None, None]
        assert run.tags["dagster/asset_partition_range_end"] == f"{last:%Y-%m-%d-%H:00}"
