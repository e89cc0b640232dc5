"""Dagster in processes of its own: the code server, the UI with the daemon, and one range run.

They get their settings by the environment, like everything that Dagster starts.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from strava_assets.hours import Window
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.server_process import ServerProcess
from strava_assets.local.socket_folder import SocketFolder

_SOCKET_NAME = "code.sock"

_LOCATION = "strava_assets"
"""pyproject.toml's code_location_name: a run names its location, and is not found under another name."""


class CodeServer(EmbeddedServer):
    """The one process that loads the definitions, for UI and daemon, and starts the runs. It comes back when it dies.

    It answers on a socket in a folder that only its owner can enter: gRPC has no login.
    """

    state_when_started = "loading"

    def __init__(self, folder: Path) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("Dagster's code server", folder, is_server=False))

    @property
    def workspace(self) -> Path:
        """The file that leads webserver and daemon to it."""
        return self.folder / "workspace.yaml"

    def _run(self) -> None:
        sockets = SocketFolder(self.folder / "run", _SOCKET_NAME)
        socket = sockets.path / _SOCKET_NAME
        self.process.leftovers = [*sockets.leftovers, socket]
        self.workspace.write_text(
            f"load_from:\n  - grpc_server: {{socket: {str(socket)!r}, location_name: {_LOCATION}}}\n"
        )
        options = ["--socket", str(socket), "--module-name", "strava_assets.definitions", "--location-name", _LOCATION]
        _start(self.process, ["dagster", "api", "grpc", *options], restarts=True)


class DagsterServer(EmbeddedServer):
    """Dagster's UI on 127.0.0.1, and in the same process its daemon: schedules, sensors, the run queue."""

    state_when_started = "loading"

    def __init__(self, folder: Path, port: int, workspace: Path) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("Dagster", folder, is_server=False))
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._workspace = workspace

    def _run(self) -> None:
        # It takes some seconds to answer: `answers` tells when, others start meanwhile.
        _start(self.process, ["strava_assets.local.dagster_server", str(self._port), str(self._workspace)])

    def answers(self) -> bool:
        """Whether the UI can be opened."""
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as answer:  # noqa: S310 - our own loopback URL
                return bool(answer.status == 200)  # noqa: PLR2004
        except OSError:
            return False


class RangeRun(EmbeddedServer):
    """One run of both assets for all hours of a window, as `dagster asset materialize` does it."""

    def __init__(self, folder: Path, hours: Window) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("The first run", folder, is_server=False))
        self._hours = hours

    def _run(self) -> None:
        first, _, last = str(self._hours).partition("...")
        _start(
            self.process,
            [
                *("dagster", "asset", "materialize", "--module-name", "strava_assets.definitions"),
                *("--select", "raw_activities,strava_activity", "--partition-range", f"{first}...{last or first}"),
            ],
        )


def _start(process: ServerProcess, module_and_options: list[str], *, restarts: bool = False) -> None:
    # The project's folder: Dagster's instance keeps its files relative to it.
    command = [sys.executable, "-m", *module_and_options]
    # Else glibc keeps memory of its own for each of a dozen threads.
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ}
    process.start(command, environment=environment, is_ready=lambda: True, working_folder=Path.cwd(), restarts=restarts)
