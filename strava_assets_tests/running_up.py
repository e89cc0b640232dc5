"""A running `strava-assets up`, as a process of its own in a project folder of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, create_engine, text

from strava_assets.hours import Window
from strava_assets.local.free_ports import free_ports
from strava_assets.local.settings_file import FOLDER, read_settings
from strava_assets.settings import VARIABLES
from strava_assets_tests import leaks

ROOT = Path(__file__).parent.parent


def project(folder: Path) -> Path:
    """Make `folder` a project's folder."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


OF_OTHER_SERVERS = {
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "5433",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGSERVICE": "nowhere",
    "AWS_PROFILE": "unknown",
    "AWS_SESSION_TOKEN": "left over",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}
"""What people have exported for other things than this project; with any of them nothing would work that heeds it."""


def environment() -> dict[str, str]:
    """This environment without any setting, and with what other servers need; times and paths of the machine stay."""
    names = {variable.name for variable in VARIABLES} | {"DAGSTER_HOME", "STRAVA_CLIENT", "MAKELEVEL"}
    return {name: value for name, value in os.environ.items() if name not in names} | OF_OTHER_SERVERS


@dataclass
class Up:
    """A running `strava-assets up`."""

    folder: Path
    port: int
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, *options: str, **settings: str) -> "Up":
        """One that has these settings and no others, and is not up yet."""
        (port,) = free_ports(1)
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "strava_assets", "up", "--port", str(port), *options],
            cwd=folder,
            env=environment() | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return cls(folder, port, process)

    @classmethod
    def start(cls, folder: Path) -> "Up":
        """One that is up."""
        up = cls.begin(folder)
        try:
            up.wait()
        except BaseException:
            up.stop(signal.SIGTERM)
            raise
        return up

    def wait(self) -> None:
        """Return once it says that it is up."""
        if not any("Logs " in line for line in self.lines):
            self.read_until("Logs ")

    def wait_for_ui(self) -> None:
        """Return once the UI answers: that is before the first days are fetched, and before there is a daemon."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/server_info", timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail("the UI does not answer")

    def read_until(self, words: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            leaks.look("the output of `up`", line)
            if words in line:
                return
        pytest.fail("".join(self.lines))

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=300)
        self.lines.append(output)
        return self.process.returncode

    def settings(self) -> dict[str, str]:
        return read_settings(self.folder / FOLDER)

    def shell_environment(self) -> dict[str, str]:
        """What stock commands see in a shell that follows the advice to source `.local/env`."""
        shell = ["bash", "-c", "set -a; . .local/env; set +a; env -0"]
        shown = subprocess.run(shell, cwd=self.folder, env=environment(), capture_output=True, text=True, check=True)
        return dict(line.split("=", 1) for line in shown.stdout.split("\0") if line)

    @property
    def url(self) -> str:
        """Where Dagster's UI is."""
        return f"http://127.0.0.1:{self.port}"

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's data; fails if it names an error."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            response: dict[str, Any] = json.load(answer)
        assert "errors" not in response, response["errors"]
        data: dict[str, Any] = response["data"]
        return data

    def mirrored(self) -> dict[int, int]:
        """Each activity's id in the table, and its athlete's."""
        return {row.id: row.athlete_id for row in self._rows()}

    def starts(self, window: Window, sport: str | None = None) -> list[datetime]:
        """When the table's activities of that time, of one sport or all, started; the newest first."""
        rows = [row for row in self._rows() if row.start_date in window and sport in {None, row.sport_type}]
        return sorted((row.start_date for row in rows), reverse=True)

    def _rows(self) -> Sequence[Row[Any]]:
        engine = create_engine(self.settings()["DATABASE_URL"])
        try:
            with engine.connect() as connection:
                return connection.execute(text("SELECT * FROM strava_activity")).all()
        finally:
            engine.dispose()

    def on_strava(self, athlete_id: int, since: datetime, until: datetime) -> set[int]:
        """The ids of an athlete's activities that started in that time, as the simulated Strava has them."""
        url = f"{self.settings()['STRAVA_BASE_URL']}/_simulator/activities?athlete_id={athlete_id}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            activities = json.load(answer)
        return {fields["id"] for fields in activities if since < datetime.fromisoformat(fields["start_date"]) < until}
