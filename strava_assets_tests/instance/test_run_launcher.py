"""Launching and watching runs while the code server restarts: a real one, on a port of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import GrpcServerTarget

from strava_assets.instance.run_launcher import HealthCheckingRunLauncher
from strava_assets.local.free_ports import free_ports

pytestmark = pytest.mark.slow

CODE = """
import pathlib, time
import dagster as dg

@dg.op
def wait():
    while not pathlib.Path(__file__).with_name("end").exists():
        time.sleep(0.1)

@dg.job(executor_def=dg.in_process_executor)
def waiting():
    wait()

defs = dg.Definitions(jobs=[waiting])
"""
LAUNCHER = {"run_launcher": {"module": "strava_assets.instance.run_launcher", "class": "HealthCheckingRunLauncher"}}


class CodeServer:
    """A code server that always has the same port."""

    def __init__(self, folder: Path) -> None:
        (folder / "code.py").write_text(CODE)
        (self.port,) = free_ports(1)
        self.command = (
            *(sys.executable, "-m", "dagster", "api", "grpc", "--port", str(self.port)),
            *("--python-file", str(folder / "code.py"), "--location-name", "code"),
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CodeServer]:
    server = CodeServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides=LAUNCHER) as instance:
        yield instance
        (tmp_path / "end").touch()  # for all runs, those too whose server is gone
        deadline = time.monotonic() + 300
        while instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def workspace_of(instance: dg.DagsterInstance, server: CodeServer) -> WorkspaceRequestContext:
    """The server's code, once it answers."""
    deadline = time.monotonic() + 300
    while True:
        target = GrpcServerTarget(host="localhost", port=server.port, socket=None, location_name="code")
        workspace = WorkspaceProcessContext(instance, target).create_request_context()
        if workspace.code_locations:
            return workspace
        assert time.monotonic() < deadline, workspace.get_code_location_entries()
        time.sleep(0.2)


def launch(instance: dg.DagsterInstance, workspace: WorkspaceRequestContext) -> dg.DagsterRun:
    job = workspace.code_locations[0].get_repository("__repository__").get_full_job("waiting")
    run: dg.DagsterRun = create_run_for_test(
        instance,
        job_name="waiting",
        remote_job_origin=job.get_remote_origin(),
        job_code_origin=job.get_python_origin(),
        status=dg.DagsterRunStatus.STARTING,
    )
    instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=workspace))
    return run


def test_a_code_server_that_is_about_to_end_is_as_good_as_gone(instance: dg.DagsterInstance, server: CodeServer):
    workspace = workspace_of(instance, server)
    launch(instance, workspace)  # while it runs, the server stays, but takes no more
    server.process.send_signal(signal.SIGTERM)

    def launch_until_the_signal_has_arrived() -> None:
        deadline = time.monotonic() + 120  # not a number of runs, since each is a process of its own
        while time.monotonic() < deadline:
            launch(instance, workspace)
            time.sleep(0.5)

    with pytest.raises(DagsterUserCodeUnreachableError, match="telling it to shut down"):
        launch_until_the_signal_has_arrived()


def test_a_run_of_a_server_with_an_address_is_dead_once_the_server_is_back_without_it(
    instance: dg.DagsterInstance, server: CodeServer
):
    launcher = instance.run_launcher
    assert isinstance(launcher, HealthCheckingRunLauncher)
    run = launch(instance, workspace_of(instance, server))
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    server.kill()
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING  # nobody knows yet
    server.start()
    workspace_of(instance, server)
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
