"""The receiver as a process of its own, over real HTTP, with real Redis and the simulated Strava."""

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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner
from redis import Redis

from strava_assets.bounded_server import BACKLOG
from strava_assets.cli.main import main
from strava_assets.local.free_ports import free_ports
from strava_assets.local.redis import Redis as RedisServer
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.webhooks import guess_brake
from strava_assets.webhooks.events import EventStream, Meaning
from strava_assets.webhooks.identity import WebhookIdentity
from strava_assets.webhooks.receiver import create_server
from strava_assets_tests.proxy import Proxy

STRAVA_WAITS = 2.0
"""Seconds."""


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
    """`strava-assets webhook serve` as a process that may open so many files; its URL."""
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
    assert CliRunner().invoke(main, ["webhook", "path"]).output == f"/{path}\n"
    assert simulation.subscription
    number = str(simulation.subscription["id"])
    assert redis.hget(keys.WEBHOOK, "subscription_id") == number.encode()
    for arguments in (["list"], ["subscribe", "--callback-url", callback], ["delete"]):
        result = CliRunner().invoke(main, ["webhook", *arguments])
        assert result.exit_code == 0, result.output
        assert number in result.output
        assert path not in result.output
        assert simulation.client_secret not in result.output
    assert simulation.subscription is None
    assert redis.hget(keys.WEBHOOK, "subscription_id") is None


def test_a_path_that_somebody_else_knows_is_replaced(callback: str, redis: Redis, simulation: Simulation):
    posted = event(simulation)
    result = CliRunner().invoke(main, ["webhook", "delete", "--forget-path"])
    assert result.exit_code == 0, result.output
    assert WebhookIdentity(redis).path() not in callback
    time.sleep(1.1)  # for so long the receiver believes what it has read
    assert requests.post(callback, json=posted, timeout=STRAVA_WAITS).status_code == 404


@pytest.mark.usefixtures("callback")
def test_an_id_that_redis_lost_comes_back_with_the_list(redis: Redis):
    redis.hdel(keys.WEBHOOK, "subscription_id")
    assert CliRunner().invoke(main, ["webhook", "list"]).exit_code == 0
    assert redis.hget(keys.WEBHOOK, "subscription_id")


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
    posted = event(simulation, aspect_type="update", updates={"title": "Intervals with Ada"})
    answer = requests.post(callback, json=posted, timeout=STRAVA_WAITS)
    assert (answer.status_code, answer.content) == (200, b"")
    [waiting] = EventStream(redis).waiting(10)
    assert waiting.event
    assert (waiting.event.object_id, waiting.event.owner_id) == (154504250376823, 42)
    assert waiting.event.meaning is Meaning.LOOK_UP
    assert "Ada" not in repr(redis.xrange(keys.EVENTS))


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
    assert not redis.exists(keys.EVENTS)


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


async def burst(callback: str, simulation: Simulation, count: int) -> list[tuple[int, float]]:
    """Post events of the activities 1 to `count` at once; each one's status and seconds."""
    bodies = [json.dumps(event(simulation, object_id=1 + number)).encode() for number in range(count)]
    return await asyncio.gather(*(post(callback, body) for body in bodies))


def stored(redis: Redis) -> set[int]:
    """The activities whose events wait."""
    return {waiting.event.object_id for waiting in EventStream(redis).waiting(2000) if waiting.event}


@pytest.mark.usefixtures("environment")
def test_a_burst_of_a_thousand_events_is_answered_in_time_and_none_is_lost(redis: Redis, simulation: Simulation):
    with serving_process() as url:
        answers = asyncio.run(burst(subscribed(url, simulation), simulation, 1000))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()
    assert stored(redis) == set(range(1, 1001))


def test_a_burst_is_answered_in_time_though_redis_is_far_away(
    ways: dict[str, Proxy], redis: Redis, simulation: Simulation
):
    ways["Redis"].delay = 0.02
    with serving_process() as url:
        answers = asyncio.run(burst(subscribed(url, simulation), simulation, 1000))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()
    assert stored(redis) == set(range(1, 1001))


def test_while_redis_hangs_every_event_is_refused_in_time_and_comes_again(
    ways: dict[str, Proxy], redis: Redis, simulation: Simulation
):
    with serving_process() as url:
        callback = subscribed(url, simulation)
        assert asyncio.run(burst(callback, simulation, 1))[0][0] == 200
        ways["Redis"].hang()
        answers = asyncio.run(burst(callback, simulation, 600))
        assert {status for status, _ in answers} == {503}
        assert max(took for _, took in answers) < strava_waits()
        assert requests.get(f"{url}/healthz", timeout=STRAVA_WAITS).status_code == 503
        ways["Redis"].mend()
        answers = asyncio.run(burst(callback, simulation, 600))
    assert {status for status, _ in answers} == {200}
    assert stored(redis) == set(range(1, 601))


IDLE_CLIENTS = {
    "nothing": b"",
    "half a head": b"POST /x HTTP/1.1\r\nHost: example.org\r\n",
    "no body": b"POST /x HTTP/1.1\r\nHost: example.org\r\nContent-Length: 400\r\n\r\n",
    "an answered request": b"GET /x HTTP/1.1\r\nHost: example.org\r\n\r\n",
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("sent", IDLE_CLIENTS.values(), ids=IDLE_CLIENTS)
def test_more_idle_connections_than_it_may_have_files_do_not_shut_it(sent: bytes, simulation: Simulation):
    with serving_process(files=256) as url, ExitStack() as stack:
        callback = subscribed(url, simulation)
        parts = urlsplit(callback)
        for _ in range(300):
            idle = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            idle.sendall(sent.replace(b"/x", parts.path.encode()))
        answers = asyncio.run(burst(callback, simulation, 10))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("sent", IDLE_CLIENTS.values(), ids=IDLE_CLIENTS)
def test_an_idle_connection_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("strava_assets.bounded_server.LIFETIME", 1.0)
    with serving() as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=6) as idle:
            idle.sendall(sent)
            while idle.recv(1000):
                pass  # what it answers before it closes


def test_whoever_guesses_subscription_ids_is_slowed_down_and_counted_and_right_events_come_through(
    callback: str, redis: Redis, simulation: Simulation
):
    right = json.dumps(event(simulation)).encode()
    wrong = json.dumps(event(simulation, subscription_id=999_999_999)).encode()

    async def guess(until: float) -> int:
        count = 0
        while time.monotonic() < until:
            assert (await post(callback, wrong))[0] == 403
            count += 1
        return count

    async def attack() -> tuple[int, list[tuple[int, float]]]:
        until = time.monotonic() + 3
        guesses = [asyncio.create_task(guess(until)) for _ in range(8)]
        answers = []
        while time.monotonic() < until - 1:
            await asyncio.sleep(0.3)
            answers.append(await post(callback, right))
        return sum(await asyncio.gather(*guesses)), answers

    began = time.monotonic()
    count, answers = asyncio.run(attack())
    took = time.monotonic() - began
    assert count <= guess_brake.FREE + took / guess_brake.TURN + 2 * 8  # each of eight is on its way at both ends
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()
    assert redis.hget(keys.WEBHOOK, "refused") == str(count).encode()
    assert f"{count} events" in CliRunner().invoke(main, ["webhook", "list"]).output


def test_a_flood_of_guesses_does_not_tell_which_id_is_right(callback: str, simulation: Simulation):
    async def flood() -> list[tuple[int, float]]:
        bodies = [json.dumps(event(simulation, subscription_id=number)).encode() for number in range(1, 301)]
        await asyncio.gather(*(post(callback, body) for body in bodies))
        right = json.dumps(event(simulation)).encode()
        return await asyncio.gather(*(post(callback, right) for _ in range(100)))

    answers = asyncio.run(flood())
    assert {status for status, _ in answers} == {200, 429}
    assert max(took for _, took in answers) < strava_waits()


@pytest.mark.usefixtures("environment")
def test_without_redis_events_are_refused_so_that_strava_posts_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
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
