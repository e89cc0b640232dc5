"""Dagster's daemon as threads of a process that has loaded all of Dagster anyway, for machines with little memory.

`dagster-daemon` runs the same threads in a process of its own, which takes 100 MB more.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.controller import (
    THREAD_CHECK_INTERVAL,
    DagsterDaemonController,
    create_daemons_from_instance,
)

_HEARTBEAT_SECONDS = 300
"""Each of eight threads writes that it lives; whether it does is judged by half an hour."""


@contextmanager
def daemon_threads(workspace: WorkspaceProcessContext) -> Iterator[None]:
    """Run schedules, sensors, backfills, the queue and monitoring meanwhile; if one fails, the process is ended.

    Unlike `dagster-daemon` it never loads the workspace anew: code does not change within a process.
    """
    daemons = create_daemons_from_instance(workspace.instance)
    with DagsterDaemonController(workspace, daemons, heartbeat_interval_seconds=_HEARTBEAT_SECONDS) as controller:
        stopping = threading.Event()
        watcher = threading.Thread(target=_watch, args=(controller, stopping), name="daemon-watcher", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stopping.set()


def _watch(controller: DagsterDaemonController, stopping: threading.Event) -> None:
    """What `dagster-daemon` does in its main thread."""
    try:
        while not stopping.wait(THREAD_CHECK_INTERVAL):
            controller.check_daemon_threads()
    except Exception:
        logging.getLogger("dagster.daemon").exception("The daemon does not work any more, so this process ends.")
        os.kill(os.getpid(), signal.SIGTERM)
