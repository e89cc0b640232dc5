"""Dagster's code server, daemon and what its web server needs, all in this process and over the same connections."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc import server_watcher
from dagster._utils.log import configure_loggers

from strava_assets.instance.code_server import code_server
from strava_assets.instance.daemon import daemon_threads

_WATCH_SECONDS = 60
"""Dagster asks each second whether the code server still is the same one; here it is."""

_GARBAGE_THRESHOLDS = 10_000, 10, 10
"""The event log's are for runs, and would let garbage pile up in a process that lives for months."""


@contextmanager
def dagster_in_one_process(socket: Path, module: str, location: str, version: str) -> Iterator[WorkspaceProcessContext]:
    """Run code server and daemon meanwhile; the value is what the web server serves, as of Dagster's `version`."""
    configure_loggers(formatter="colored", log_level="INFO")
    server_watcher.WATCH_INTERVAL = _WATCH_SECONDS
    target = GrpcServerTarget(host="localhost", port=None, socket=str(socket), location_name=location)
    with (
        code_server(socket, module, location),
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, target, version) as workspace,
        daemon_threads(workspace),
    ):
        # What is loaded now stays, and need not be looked through again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        yield workspace
