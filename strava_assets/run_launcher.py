"""A run launcher that notices runs whose process died with everything else, after a power cut.

The default launcher has no health check: such a run would stay "started" for ever and, with one run at a
time, block the queue. With this one, run monitoring fails it at its first look and retries it.
https://docs.dagster.io/deployment/execution/run-monitoring
"""

import os
import socket
from collections.abc import Mapping

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

HOST_TAG, PID_TAG = "strava_assets/host", "strava_assets/pid"
"""Where a run started from a command line says which process it is; no code server knows it."""


def process_tags() -> dict[str, str]:
    """The tags by which a run of this very process can be found to be dead."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}


class HealthCheckingRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher, and an answer to whether a run's process is still alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tells run monitoring to ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED only where it is certain that nobody works on the run any more."""
        client: DagsterGrpcClient | None = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return _health_of_local_process(run.tags)
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = deserialize_value(client.can_cancel_execution(request), CanCancelExecutionResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that ran it is gone.")
        if answer.can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The code server no longer knows it.")


def _health_of_local_process(tags: Mapping[str, str]) -> CheckRunHealthResult:
    """Of a command line's run: dead if it was on this host and its process is gone."""
    if tags.get(HOST_TAG) != socket.gethostname() or PID_TAG not in tags:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    try:
        os.kill(int(tags[PID_TAG]), 0)
    except ProcessLookupError:
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Its process {tags[PID_TAG]} is gone.")
    except PermissionError:
        pass  # somebody else's process, so there is one
    return CheckRunHealthResult(WorkerStatus.RUNNING)
