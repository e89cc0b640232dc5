"""Dagster as stock commands in processes of their own: webserver, daemon, and one range run.

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


class Webserver(EmbeddedServer):
    """Dagster's UI on 127.0.0.1."""

    def __init__(self, folder: Path, port: int) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("Dagster's webserver", folder))
        self.url = f"http://127.0.0.1:{port}"
        self._port = port

    def _run(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--workspace", str(Path.cwd() / "workspace.yaml")]
        # It loads all code before it answers, which takes ten seconds: `answers` tells when, others start meanwhile.
        _start(self.process, ["strava_assets.web", *options])

    def answers(self) -> bool:
        """Whether the UI can be opened."""
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as answer:  # noqa: S310 - our own loopback URL
                return bool(answer.status == 200)  # noqa: PLR2004
        except OSError:
            return False


class Daemon(EmbeddedServer):
    """Dagster's daemon: schedules, sensors, the run queue. Runs that it started are let finish when it is stopped."""

    def __init__(self, folder: Path) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("Dagster's daemon", folder))

    def _run(self) -> None:
        _start(self.process, ["dagster._daemon", "run", "--workspace", str(Path.cwd() / "workspace.yaml")])


class RangeRun(EmbeddedServer):
    """One run of both assets for all hours of a window, as `dagster asset materialize` does it."""

    def __init__(self, folder: Path, hours: Window) -> None:
        """Its log is kept in `folder`."""
        super().__init__(folder, ServerProcess("The first run", folder))
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


def _start(process: ServerProcess, module_and_options: list[str]) -> None:
    # The project's folder: Dagster's instance keeps its files relative to it.
    command = [sys.executable, "-m", *module_and_options]
    process.start(command, environment=os.environ, is_ready=lambda: True, working_folder=Path.cwd())
