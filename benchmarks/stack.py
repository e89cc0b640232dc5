"""Real servers in a temporary folder and a simulated Strava as a process, for the time of a benchmark."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis as RedisClient

from strava_assets.local.free_ports import free_ports
from strava_assets.local.postgres import Postgres
from strava_assets.local.redis import Redis
from strava_assets.local.s3 import S3
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings

PROJECT = Path(__file__).parent.parent

STOCK = "storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\ntelemetry: {enabled: false}\n"

MEMORY = "peak memory, kB: "
MEASURED = f"""
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print({MEMORY!r} + str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Runs a command as the only child of a process, whose children's peak memory is then the command's."""


@dataclass(frozen=True)
class Run:
    """How long a command took, what it printed, and the most memory it had, in megabytes."""

    seconds: float
    output: str
    memory: float


@dataclass(frozen=True)
class Stack:
    """Where everything is: the environment of commands, and the folder to run them in."""

    environment: dict[str, str]
    folder: Path

    def run(self, *command: str, python: str = sys.executable) -> Run:
        """Run a command of this Python, or of another. Raises if it fails."""
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, python, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - before
        output, _, memory = done.stdout.rpartition(MEMORY)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{output[-2000:]}{done.stderr[-2000:]}")
        return Run(seconds, output, int(memory) / 1024)

    def with_stock_dagster(self) -> "Stack":
        """The same with nothing in dagster.yaml but Dagster's own Postgres storage."""
        folder = self.folder / "stock"
        folder.mkdir(exist_ok=True)
        (folder / "dagster.yaml").write_text(STOCK)
        url = self.environment["DATABASE_URL"].replace("/strava?", "/dagster?")
        return Stack(self.environment | {"DAGSTER_POSTGRES_URL": url}, folder)

    def requests(self) -> int:
        """How many API requests the simulated Strava has answered."""
        with urllib.request.urlopen(f"{self.environment['STRAVA_BASE_URL']}/_simulator/requests", timeout=60) as answer:
            return len(json.load(answer))


@contextmanager
def running(*, years: float, per_year: int, latency_ms: int = 0, start_date: str = "2021-11-24") -> Iterator[Stack]:
    """Everything that a command needs, with one athlete logged in."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strava-bench-")))
        for name in ("postgres", "redis", "s3"):
            (folder / name).mkdir()
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        redis = stack.enter_context(Redis(folder / "redis"))
        s3 = stack.enter_context(S3(folder / "s3"))
        (port,) = free_ports(1)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= s3.settings | {
            "STRAVA_CLIENT_ID": "1",
            "STRAVA_CLIENT_SECRET": "benchmark",
            "STRAVA_BASE_URL": f"http://127.0.0.1:{port}",
            "STRAVA_START_DATE": start_date,
            "REDIS_URL": redis.url,
            "DATABASE_URL": postgres.database_url("strava"),
            "PYTHONPATH": str(PROJECT),
        }
        simulator = subprocess.Popen(
            [
                *(sys.executable, "-m", "strava_assets.simulator", "--port", str(port), "--unlimited"),
                *("--years", str(years), "--activities-per-year", str(per_year), "--latency-ms", str(latency_ms)),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        stack.callback(simulator.wait)
        stack.callback(simulator.terminate)
        token = _granted(environment["STRAVA_BASE_URL"])
        RedisClient.from_url(redis.url).set("STRAVA_TOKEN", json.dumps(token))
        stack.enter_context(_environment(environment))
        for _ in initialise(Settings.from_environment()):
            pass
        shutil.copy(PROJECT / "dagster.yaml", folder)
        yield Stack(environment, folder)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These values in os.environ, and after it what was there before: the next benchmark has servers of its own."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _granted(url: str) -> dict[str, Any]:
    for _ in range(300):
        try:
            request = urllib.request.Request(f"{url}/_simulator/grant", data=b"{}")
            with urllib.request.urlopen(request, timeout=60) as answer:
                token: dict[str, Any] = json.load(answer)
                return token
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("The simulated Strava did not start.")
