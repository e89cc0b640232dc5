"""A run launcher that notices runs whose process died, and that outlives restarts of the code server.

The default launcher has no health check: after a power cut such a run would stay "started" for ever and, with
one run at a time, block the queue. With this one, run monitoring fails it at its first check and retries it.
https://docs.dagster.io/deployment/execution/run-monitoring
"""

import os
import socket
from collections.abc import Mapping

from dagster import DagsterRun
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from strava_assets.instance.process_tags import HOST_TAG, PID_TAG


class HealthCheckingRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher, and an answer to whether a run's process is still alive."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch the run. Raises DagsterUserCodeUnreachableError if the code server is about to end.

        The stock launcher says then that the launch failed, which fails the run; this error leaves it in the queue.
        """
        try:
            super().launch_run(context)
        except DagsterLaunchFailedError as error:
            if "telling it to shut down" not in str(error):
                raise
            raise DagsterUserCodeUnreachableError(str(error)) from error

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
            if client.socket is None:
                # It has an address to come back to, and tells then. A retry before that would find no code to run.
                return CheckRunHealthResult(WorkerStatus.RUNNING)
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
