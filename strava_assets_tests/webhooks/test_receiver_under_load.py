"""The receiver under bursts, idle connections and guesses: right events are answered in Strava's two seconds."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner
from redis import Redis

from strava_assets.cli.main import main
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.webhooks import guess_brake
from strava_assets_tests.proxy import Proxy
from strava_assets_tests.webhooks.receiving import (
    STRAVA_TRIES,
    STRAVA_WAITS,
    burst,
    event,
    post,
    serving,
    serving_process,
    stored,
    strava_waits,
    subscribed,
)


@pytest.mark.usefixtures("environment")
def test_a_burst_of_a_thousand_events_is_answered_in_time_and_none_is_lost(redis: Redis, simulation: Simulation):
    with serving_process() as url:
        answers = asyncio.run(burst(subscribed(url, simulation), simulation, 1000, attempts=STRAVA_TRIES))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()
    assert stored(redis) == set(range(1, 1001))


@pytest.mark.slow
def test_a_burst_is_answered_in_time_though_redis_is_far_away(
    ways: dict[str, Proxy], redis: Redis, simulation: Simulation
):
    ways["Redis"].delay = 0.02
    with serving_process() as url:
        answers = asyncio.run(burst(subscribed(url, simulation), simulation, 1000, attempts=STRAVA_TRIES))
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < strava_waits()
    assert stored(redis) == set(range(1, 1001))


@pytest.mark.slow
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
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as idle:
            idle.sendall(sent)
            while idle.recv(1000):
                pass  # what it answers before it closes


@pytest.mark.slow
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
