"""The daemon with its code server and runs: killed with SIGKILL, or left without its services. It recovers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from strava_assets.defs.build import build_definitions
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import range_tags
from strava_assets.defs.runs import request_for
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests import kill_points
from strava_assets_tests.athletes import log_in
from strava_assets_tests.dagster_runs import run
from strava_assets_tests.equality import expected_rows, rows
from strava_assets_tests.proxy import Proxy

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR


class Platform:
    """A daemon as `dagster.yaml` and `workspace.yaml` make it, but looking for dead runs more often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("dagster.yaml", "workspace.yaml"):
            text = (PROJECT / name).read_text()
            (folder / name).write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 2"))
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.folder),
            "STRAVA_CHANGES_INTERVAL": "5",
            "PYTHONPATH": str(Path(__file__).parent / "killing"),
            "KILL_POINTS": str(self.folder),
        }
        with (self.folder / "log").open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "--workspace", "workspace.yaml"],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def is_running(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def kill_everything(self) -> None:
        """A power cut for the daemon, its code servers and the runs; each by its own process id."""
        if self.daemon is None:
            return
        # Code servers are replaced now and then, and then a run is nobody's child any more.
        processes = [process for process in psutil.process_iter() if self._owns(process)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=30)
        self.daemon.wait()
        self.daemon = None

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get("KILL_POINTS") == str(self.folder))
        except psutil.Error:
            return False

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 300  # of which an idle machine needs fifteen
        while not is_so():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-5000:]
            time.sleep(0.2)


@pytest.fixture
def platform(environment: dict[str, str], tmp_path: Path) -> Iterator[Platform]:
    assert environment
    for _ in initialise(Settings.from_environment()):
        pass
    platform = Platform(tmp_path)
    try:
        yield platform
    finally:
        platform.kill_everything()


@pytest.fixture
def instance(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(platform.folder))
    with dg.DagsterInstance.get() as instance:
        yield instance


def failed_runs(instance: dg.DagsterInstance) -> int:
    return instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))


@pytest.fixture
def strava(simulation: Simulation, environment: dict[str, str]) -> Simulation:
    """One athlete with an activity in each of the last hours, logged in."""
    simulation.add_athlete(42)
    log_in(environment, simulation)
    for number in range(5):
        start = HOUR_AGO - number * HOUR + timedelta(minutes=7)
        simulation.add_activity(42, start_date=strava_time(start))
    return simulation


def test_a_killed_worker_and_then_everything_at_once_are_seen_and_run_again(
    platform: Platform, instance: dg.DagsterInstance, strava: Simulation, environment: dict[str, str]
):
    kill_points.arm(platform.folder, "inside the transaction")
    platform.start()
    platform.wait_until(lambda: kill_points.is_reached(platform.folder, "inside the transaction"))
    kill_points.arm(platform.folder, "inside the transaction", "hold")  # the retry stops there
    platform.wait_until(lambda: kill_points.is_reached(platform.folder, "inside the transaction"))
    assert failed_runs(instance) == 1
    platform.kill_everything()
    assert rows(environment) == {}
    platform.start()
    platform.wait_until(lambda: rows(environment) == expected_rows(strava))
    platform.wait_until(lambda: failed_runs(instance) == 2)


def test_the_hourly_run_passes_whatever_was_queued_before_it(
    platform: Platform, instance: dg.DagsterInstance, strava: Simulation, monkeypatch: pytest.MonkeyPatch
):
    assert strava
    monkeypatch.setenv("STRAVA_LOOKBACK_DAYS", "1")
    definitions, names = build_definitions(Settings.from_environment()), Names()
    hourly = definitions.resolve_schedule_def("closed_hours")(
        dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC))
    )
    assert isinstance(hourly, dg.RunRequest)
    weeks_ago = [HOUR_AGO - number * timedelta(days=7) for number in range(1, 5)]
    requests = [
        *(
            request_for(Window.of(hour, hour), names, reason)
            for hour in weeks_ago
            for reason in ("events", "reconcile")
        ),
        dg.RunRequest(tags=range_tags(Window.of(weeks_ago[-1], weeks_ago[-1]))),  # by hand
        hourly,
    ]
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("strava_assets"), "__repository__")
    runs = [
        instance.create_run_for_job(
            definitions.resolve_job_def("sync_hours"),
            tags=request.tags,
            status=dg.DagsterRunStatus.QUEUED,
            remote_job_origin=RemoteJobOrigin(origin, "sync_hours"),
        )
        for request in requests
    ]

    def began(run: dg.DagsterRun) -> float | None:
        record = instance.get_run_record_by_id(run.run_id)
        return record.start_time if record else None

    platform.start()
    platform.wait_until(lambda: sum(began(run) is not None for run in runs) >= 2)
    moments = [moment for run in runs if (moment := began(run))]
    assert began(runs[-1]) == min(moments)
    assert began(runs[-2]) is None  # by hand comes last


def test_a_reconciliation_of_the_whole_history_finds_and_repairs_what_no_comparison_reads(
    platform: Platform, instance: dg.DagsterInstance, strava: Simulation, environment: dict[str, str]
):
    """An upload, an edit and a deletion before the days that the sensor looks back."""
    long_ago = [HOUR_AGO - timedelta(days=35 + number, minutes=-7) for number in range(3)]
    late, edited, deleted = (strava.add_activity(42, start_date=strava_time(moment)) for moment in long_ago)
    strava.delete(late)
    assert run(Window.of(floor_to_hour(long_ago[-1]), HOUR_AGO)).success
    assert rows(environment) == expected_rows(strava)
    strava.add_activity(42, start_date=long_ago[0].strftime("%Y-%m-%dT%H:%M:%SZ"))
    strava.edit(edited, name="Another name")
    strava.delete(deleted)
    queued = instance.create_run_for_job(
        build_definitions(Settings.from_environment()).resolve_job_def("reconcile_history"),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("strava_assets"), "__repository__"), "reconcile_history"
        ),
    )
    platform.start()
    platform.wait_until(lambda: rows(environment) == expected_rows(strava))
    done = instance.get_run_by_id(queued.run_id)
    assert done is not None
    assert done.status is dg.DagsterRunStatus.SUCCESS
    reasons = {each.tags.get("strava_assets/reason") for each in instance.get_runs()}
    assert "reconcile" in reasons


def test_services_that_were_away_all_at_once_are_found_again(
    ways: dict[str, Proxy], platform: Platform, strava: Simulation, environment: dict[str, str]
):
    platform.start()
    platform.wait_until(lambda: rows(environment) == expected_rows(strava))
    for way in ways.values():
        way.cut()
    strava.edit(min(strava.accounts[42].activities), name="Another name")
    # Without Dagster's own database nothing gets as far as to the other services.
    platform.wait_until(lambda: sum(way.refused for way in ways.values()) > 2)
    assert platform.is_running()
    for way in ways.values():
        way.mend()
    platform.wait_until(lambda: rows(environment) == expected_rows(strava))


@pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "long",
    reason="Dagster looks for a lost code server once a minute only: make test-long",
)
def test_a_code_server_killed_in_a_sensors_tick_is_replaced_and_the_tick_made_again(
    platform: Platform, strava: Simulation, environment: dict[str, str]
):
    kill_points.arm(platform.folder, "in a sensor's tick")
    platform.start()
    platform.wait_until(lambda: kill_points.is_reached(platform.folder, "in a sensor's tick"))
    platform.wait_until(lambda: rows(environment) == expected_rows(strava))
