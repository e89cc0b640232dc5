"""The receiver over real HTTP: what it takes, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from strava_assets.local.redis import Redis as RedisServer
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.webhooks.events import EventStream, Meaning
from strava_assets.webhooks.identity import WebhookIdentity
from strava_assets_tests.webhooks.receiving import STRAVA_WAITS, event, serving


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
