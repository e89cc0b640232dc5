"""The receiver as a process of its own, over real HTTP, with real Redis and the simulated Strava."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from click.testing import CliRunner
from redis import Redis

from strava_assets.cli.main import main
from strava_assets.local.free_ports import free_ports
from strava_assets.local.redis import Redis as RedisServer
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.webhooks.events import STREAM, EventStream, Meaning
from strava_assets.webhooks.identity import KEY, WebhookIdentity
from strava_assets.webhooks.receiver import create_app

STRAVA_WAITS = 2.0
"""Seconds."""


@contextmanager
def serving() -> Iterator[str]:
    """The receiver in a thread of this process; its URL."""
    config = uvicorn.Config(create_app(Settings.from_environment()), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def serving_process() -> Iterator[str]:
    """`strava-assets webhook serve` as a process; its URL."""
    command = [sys.executable, "-m", "strava_assets", "webhook", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        try:
            said = process.stdout.readline()
            found = re.search(r"http://[\d.:]+", said)
            assert found, said
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def subscribed(receiver: str, simulation: Simulation) -> str:
    """Subscribe with the receiver's URL; the whole callback URL."""
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", receiver])
    assert result.exit_code == 0, result.output
    assert simulation.subscription
    return str(simulation.subscription["callback_url"])


@pytest.fixture
def receiver(environment: dict[str, str]) -> Iterator[str]:
    assert environment
    with serving() as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


@pytest.fixture
def callback(receiver: str, simulation: Simulation) -> str:
    """The callback's URL, once the application is subscribed."""
    return subscribed(receiver, simulation)


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


def test_a_subscription_is_made_shown_and_deleted(callback: str, redis: Redis, simulation: Simulation):
    path = WebhookIdentity(redis).path()
    assert callback.endswith(f"/{path}")
    assert len(path) >= 32
    assert simulation.subscription
    number = str(simulation.subscription["id"])
    assert redis.hget(KEY, "subscription_id") == number.encode()
    for arguments in (["list"], ["subscribe", "--callback-url", callback], ["delete"]):
        result = CliRunner().invoke(main, ["webhook", *arguments])
        assert result.exit_code == 0, result.output
        assert number in result.output
        assert path not in result.output
        assert simulation.client_secret not in result.output
    assert simulation.subscription is None
    assert redis.hget(KEY, "subscription_id") is None


@pytest.mark.usefixtures("callback")
def test_an_id_that_redis_lost_comes_back_with_the_list(redis: Redis):
    redis.hdel(KEY, "subscription_id")
    assert CliRunner().invoke(main, ["webhook", "list"]).exit_code == 0
    assert redis.hget(KEY, "subscription_id")


@pytest.mark.usefixtures("environment")
def test_a_callback_that_cannot_be_verified_is_one_line():
    [port] = free_ports(1)
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", f"http://127.0.0.1:{port}"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: Strava could not verify the callback URL")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("callback")
def test_a_second_subscription_is_refused_with_what_to_do():
    result = CliRunner().invoke(main, ["webhook", "subscribe", "--callback-url", "https://example.org"])
    assert result.exit_code == 1
    assert "webhook delete" in result.stderr


def test_the_handshake_needs_the_path_and_the_verify_token(receiver: str, redis: Redis):
    identity = WebhookIdentity(redis)
    url = f"{receiver}/behind/a/proxy/{identity.path()}"
    query = {"hub.mode": "subscribe", "hub.challenge": "15f7d1a9", "hub.verify_token": identity.verify_token()}

    answer = requests.get(url, params=query, timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"hub.challenge": "15f7d1a9"})
    assert answer.headers["content-type"] == "application/json"

    assert requests.get(url, params={**query, "hub.verify_token": "guessed"}, timeout=5).status_code == 403
    assert requests.get(url, params={**query, "hub.verify_token": ""}, timeout=5).status_code == 403
    assert requests.get(url, params={**query, "hub.mode": "unsubscribe"}, timeout=5).status_code == 400
    assert requests.get(url, timeout=5).status_code == 400
    assert requests.get(f"{receiver}/guessed", params=query, timeout=5).status_code == 404
    assert requests.get(receiver, params=query, timeout=5).status_code == 404


@pytest.mark.usefixtures("environment")
def test_a_verify_token_of_the_settings_counts(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRAVA_WEBHOOK_VERIFY_TOKEN", "MyOwnWord")
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": "MyOwnWord"}
    with serving() as url:
        answer = requests.get(f"{url}/{WebhookIdentity(redis).path()}", params=query, timeout=5)
    assert answer.json() == {"hub.challenge": "1"}


def test_an_event_waits_in_the_stream_without_what_it_tells(callback: str, redis: Redis, simulation: Simulation):
    said = event(simulation, aspect_type="update", updates={"title": "Intervals with Ada"})
    answer = requests.post(callback, json=said, timeout=STRAVA_WAITS)
    assert (answer.status_code, answer.content) == (200, b"")
    [waiting] = EventStream(redis).waiting(10)
    assert waiting.event
    assert (waiting.event.object_id, waiting.event.owner_id) == (154504250376823, 42)
    assert waiting.event.meaning is Meaning.LOOK_UP
    assert "Ada" not in repr(redis.xrange(STREAM))


REFUSED = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "no UTF-8": b'{"object_type": "\xff"}',
    "nested without end": b"[" * 16_000,
    "an empty object": b"{}",
}
WRONG_FIELDS: list[dict[str, Any]] = [
    {"object_id": "154504250376823"},
    {"object_id": 1.5},
    {"object_id": True},
    {"object_id": -1},
    {"object_id": 2**63},
    {"object_id": None},
    {"owner_id": None},
    {"event_time": "now"},
    {"subscription_id": None},
    {"object_type": "club"},
    {"aspect_type": ["create"]},
    {"updates": "title"},
]


def test_bad_requests_are_refused_and_nothing_is_written(callback: str, redis: Redis, simulation: Simulation):
    with requests.Session() as session:
        for name, body in REFUSED.items():
            assert session.post(callback, data=body, timeout=STRAVA_WAITS).status_code == 400, name
        for fields in WRONG_FIELDS:
            answer = session.post(callback, json=event(simulation, **fields), timeout=STRAVA_WAITS)
            assert answer.status_code == 400, fields
        other = event(simulation, subscription_id=999_999_999)
        assert session.post(callback, json=other, timeout=STRAVA_WAITS).status_code == 403
        padded = event(simulation, updates={"title": "x" * 20_000})
        assert session.post(callback, json=padded, timeout=STRAVA_WAITS).status_code == 413
        chunked = iter([json.dumps(padded).encode()])  # no Content-Length
        assert requests.post(callback, data=chunked, timeout=STRAVA_WAITS).status_code == 413
        good = event(simulation)
        assert session.post(f"{callback}x", json=good, timeout=STRAVA_WAITS).status_code == 404
        for method in ("PUT", "DELETE", "PATCH", "HEAD"):
            assert session.request(method, callback, json=good, timeout=STRAVA_WAITS).status_code == 405, method
    assert not redis.exists(STREAM)


def test_without_a_subscription_no_event_is_believed(receiver: str, redis: Redis, simulation: Simulation):
    simulation.subscription = {"id": 1}
    url = f"{receiver}/{WebhookIdentity(redis).path()}"
    assert requests.post(url, json=event(simulation), timeout=STRAVA_WAITS).status_code == 403


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


@pytest.mark.usefixtures("environment")
def test_a_burst_of_a_thousand_events_is_answered_in_time_and_none_is_lost(redis: Redis, simulation: Simulation):
    async def burst(callback: str) -> list[tuple[int, float]]:
        bodies = [json.dumps(event(simulation, object_id=1 + number)).encode() for number in range(1000)]
        return await asyncio.gather(*(post(callback, body) for body in bodies))

    with serving_process() as url:
        answers = asyncio.run(burst(subscribed(url, simulation)))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < STRAVA_WAITS
    stored = {waiting.event.object_id for waiting in EventStream(redis).waiting(2000) if waiting.event}
    assert stored == set(range(1, 1001))


@pytest.mark.usefixtures("environment")
def test_without_redis_strava_is_asked_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with RedisServer(tmp_path / "redis", durable=False) as server:
        redis = Redis.from_url(server.url)
        path = WebhookIdentity(redis).path()
        WebhookIdentity(redis).remember_subscription(7)
        simulated = Simulation()
        simulated.subscription = {"id": 7}
        monkeypatch.setenv("REDIS_URL", server.url)
        with serving() as url:
            assert requests.get(f"{url}/healthz", timeout=5).json() == {"status": "ok"}
            assert requests.post(f"{url}/{path}", json=event(simulated), timeout=STRAVA_WAITS).status_code == 200
            server.stop()
            assert requests.get(f"{url}/healthz", timeout=STRAVA_WAITS).status_code == 503
            assert requests.post(f"{url}/{path}", json=event(simulated), timeout=STRAVA_WAITS).status_code == 503
