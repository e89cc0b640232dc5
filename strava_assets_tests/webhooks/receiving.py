"""The receiver as a thread or a process, and events for it over real HTTP."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from click.testing import CliRunner
from redis import Redis

from strava_assets.bounded_server import BACKLOG
from strava_assets.cli.main import main
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.webhooks.events import EventStream
from strava_assets.webhooks.receiver import create_server

STRAVA_WAITS = 2.0
"""Seconds."""

STRAVA_TRIES = 3
"""Attempts to post an event, all in all."""


def strava_waits() -> float:
    """The seconds that Strava waits, longer where this process gets only a part of a core."""
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.1:
        pass
    return STRAVA_WAITS * max(1.0, (time.monotonic() - began) / 0.1)


@contextmanager
def serving() -> Iterator[str]:
    """The receiver in a thread of this process; its URL."""
    server = create_server(Settings.from_environment())
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving_process(files: int | None = None) -> Iterator[str]:
    """`strava-assets webhook serve` as a process that may open this number of files; its URL."""
    command = [sys.executable, "-m", "strava_assets", "webhook", "serve", "--port", "0"]
    if files:
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        try:
            line = process.stdout.readline()
            found = re.search(r"http://[\d.:]+", line)
            assert found, line
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert process.stderr.read() == ""


def subscribed(receiver: str, simulation: Simulation) -> str:
    """Subscribe with the receiver's URL; the whole callback URL."""
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", receiver])
    assert result.exit_code == 0, result.output
    assert simulation.subscription
    return str(simulation.subscription["callback_url"])


def event(simulation: Simulation, **fields: Any) -> dict[str, Any]:
    assert simulation.subscription
    return {
        "object_type": "activity",
        "object_id": 154504250376823,
        "aspect_type": "create",
        "updates": {},
        "owner_id": 42,
        "subscription_id": simulation.subscription["id"],
        "event_time": 1763812800,
        **fields,
    }


async def post(callback: str, body: bytes) -> tuple[int, float]:
    """Post on a connection of its own; the answer's status and the seconds it took."""
    parts = urlsplit(callback)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    status = int((await reader.readline()).split()[1])
    took = time.monotonic() - began
    writer.close()
    return status, took


async def burst(callback: str, simulation: Simulation, count: int, *, attempts: int = 1) -> list[tuple[int, float]]:
    """Post events of the activities 1 to `count` at once; each one's last status and its longest wait in seconds.

    What is refused is posted again, as Strava does; a busy machine needs that now and then.
    """
    bodies = [json.dumps(event(simulation, object_id=1 + number)).encode() for number in range(count)]
    answers = await asyncio.gather(*(post(callback, body) for body in bodies))
    for _ in range(attempts - 1):
        refused = [number for number, (status, _) in enumerate(answers) if status == HTTPStatus.SERVICE_UNAVAILABLE]
        again = await asyncio.gather(*(post(callback, bodies[number]) for number in refused))
        for number, (status, took) in zip(refused, again, strict=True):
            answers[number] = status, max(took, answers[number][1])
    return answers


def stored(redis: Redis) -> set[int]:
    """The activities whose events wait."""
    return {waiting.event.object_id for waiting in EventStream(redis).waiting(2000) if waiting.event}
