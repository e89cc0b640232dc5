"""Dagster in processes of its own: UI, daemon and code server together, and one range run.

They get their settings by the environment, like everything that Dagster starts.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from strava_assets.hours import Window, partition_key
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.server_process import ServerProcess
from strava_assets.local.socket_folder import SocketFolder

_SOCKET_NAME = "code.sock"

LOCATION = "strava_assets"
"""pyproject.toml's code_location_name: a run names its location, and is not found under another name."""


class DagsterServer(EmbeddedServer):
    """Dagster in one process: UI on 127.0.0.1, daemon, code server. It starts the runs, and comes back when it dies.

    The code server answers on a socket in a folder that only its owner can enter: gRPC has no login.
    """

    def __init__(self, folder: Path, port: int) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("Dagster", folder, is_server=False))
        self.url = f"http://127.0.0.1:{port}"
        self._port = port

    def _run(self) -> None:
        sockets = SocketFolder(self.folder / "run", _SOCKET_NAME)
        socket = sockets.path / _SOCKET_NAME
        self.process.leftovers = [*sockets.leftovers, socket]
        # It takes some seconds to answer: `answers` tells when, others start meanwhile.
        _start(self.process, ["strava_assets.local.dagster_server", str(self._port), str(socket)], restarts=True)

    def answers(self) -> bool:
        """Whether the UI can be opened."""
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as answer:  # noqa: S310 - our own loopback URL
                return bool(answer.status == 200)  # noqa: PLR2004
        except OSError:
            return False


class RangeRun(EmbeddedServer):
    """One run of both assets for all hours of a window."""

    def __init__(self, folder: Path, hours: Window) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("The first run", folder, is_server=False))
        self._hours = hours

    def _run(self) -> None:
        module = "strava_assets.local.range_run"
        _start(self.process, [module, *map(partition_key, (self._hours.start, self._hours.last_hour))])


def _start(process: ServerProcess, module_and_options: list[str], *, restarts: bool = False) -> None:
    # The project's folder: Dagster's instance keeps its files relative to it.
    command = [sys.executable, "-m", *module_and_options]
    # Else glibc keeps memory of its own for each of a dozen threads. Here, for a restart inherits it.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    process.start(command, environment=os.environ, is_ready=lambda: True, working_folder=Path.cwd(), restarts=restarts)
