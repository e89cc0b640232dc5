"""Subscription and events, received by a real HTTP server."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from strava_assets.simulator.events import ATTEMPTS
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import complaint, upload


class Subscriber(ThreadingHTTPServer):
    """Answers the handshake and takes events; `statuses` are given to the first events, then 200."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.handshake_status = 200
        self.challenged: dict[str, list[str]] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Subscriber

    def do_GET(self) -> None:
        self.server.challenged = parse_qs(urlsplit(self.path).query)
        self._answer(self.server.handshake_status, {"hub.challenge": self.server.challenged["hub.challenge"][0]})

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.server.events.append(event)
        self._answer(status, {})

    def _answer(self, status: int, value: dict[str, str]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with Subscriber() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def subscribe(simulation: Simulation, url: str, callback_url: str) -> requests.Response:
    form = {
        "client_id": simulation.client_id,
        "client_secret": simulation.client_secret,
        "callback_url": callback_url,
        "verify_token": "word",
    }
    return requests.post(f"{url}/api/v3/push_subscriptions", data=form, timeout=10)


@pytest.fixture
def subscribed(simulation: Simulation, url: str, subscriber: Subscriber) -> Subscriber:
    """A subscriber who gets every event of athlete 42, who has logged in."""
    simulation.grant()
    simulation.events.retry_after = 0.01
    assert subscribe(simulation, url, subscriber.url).status_code == 201
    return subscriber


def test_a_subscription_is_made_after_the_handshake_shown_and_deleted(
    simulation: Simulation, url: str, subscriber: Subscriber
):
    number = subscribe(simulation, url, subscriber.url).json()["id"]
    assert subscriber.challenged["hub.mode"] == ["subscribe"]
    assert subscriber.challenged["hub.verify_token"] == ["word"]
    assert complaint(subscribe(simulation, url, subscriber.url)) == (400, "PushSubscription//already exists")
    subscriptions, application = (
        f"{url}/api/v3/push_subscriptions",
        {"client_id": simulation.client_id, "client_secret": simulation.client_secret},
    )
    (shown,) = requests.get(subscriptions, params=application, timeout=10).json()
    assert (shown["id"], shown["callback_url"]) == (number, subscriber.url)
    assert requests.get(subscriptions, timeout=10).status_code == 401
    assert requests.delete(f"{subscriptions}/{number + 1}", params=application, timeout=10).status_code == 404
    assert requests.delete(f"{subscriptions}/{number}", params=application, timeout=10).status_code == 204
    assert requests.get(subscriptions, params=application, timeout=10).json() == []


def test_a_callback_url_that_does_not_prove_itself_is_refused(simulation: Simulation, url: str, subscriber: Subscriber):
    subscriber.handshake_status = 503
    message = "PushSubscription/callback url/GET to callback URL does not return 200"
    assert complaint(subscribe(simulation, url, subscriber.url)) == (400, message)
    nobody = "http://127.0.0.1:9/"
    assert complaint(subscribe(simulation, url, nobody)) == (400, "PushSubscription/callback url/not verifiable")
    long = subscriber.url + "x" * 255
    assert complaint(subscribe(simulation, url, long)) == (400, "PushSubscription/callback url/invalid")
    assert simulation.subscription is None


def test_uploads_edits_and_deletions_are_reported_but_only_title_type_and_privacy(
    simulation: Simulation, subscribed: Subscriber
):
    activity_id = upload(simulation, 0)
    simulation.edit(activity_id, distance=5, gear_id="b1")
    simulation.edit(activity_id, name="Messy Title", type="Ride", private=True, kudos_count=1)
    simulation.delete(activity_id)
    simulation.revoke(42)
    simulation.events.wait()
    assert [(each["object_type"], each["aspect_type"], each["updates"]) for each in subscribed.events] == [
        ("activity", "create", {}),
        ("activity", "update", {"title": "Messy Title", "type": "Ride", "private": "true"}),
        ("activity", "delete", {}),
        ("athlete", "update", {"authorized": "false"}),
    ]
    assert simulation.subscription
    for event in subscribed.events:
        assert event["owner_id"] == 42
        assert event["object_id"] in {activity_id, 42}
        assert event["subscription_id"] == simulation.subscription["id"]
        assert abs(event["event_time"] - time.time()) < 60


def test_without_read_all_privacy_looks_like_deletion_and_creation(simulation: Simulation, subscribed: Subscriber):
    simulation.revoke(42)
    simulation.grant(scopes=["read", "activity:read"])
    simulation.events.wait()
    subscribed.events.clear()
    activity_id = upload(simulation, 0, private=True)
    simulation.edit(activity_id, private=False)
    simulation.edit(activity_id, private=True)
    simulation.events.wait()
    assert [each["aspect_type"] for each in subscribed.events] == ["create", "delete"]


def test_nothing_is_reported_of_an_athlete_who_gave_no_access(simulation: Simulation, subscribed: Subscriber):
    simulation.add_athlete(43)
    simulation.add_activity(43)
    simulation.events.wait()
    assert subscribed.events == []


def test_an_event_is_tried_three_times_and_then_gone(simulation: Simulation, subscribed: Subscriber):
    subscribed.statuses = [500] * ATTEMPTS
    first, second = upload(simulation, 0), upload(simulation, 1)
    simulation.events.wait()
    assert [each["object_id"] for each in subscribed.events] == [first] * ATTEMPTS + [second]
    assert [each["object_id"] for each in simulation.events.delivered] == [second]


def test_events_get_lost_come_twice_and_in_any_order(simulation: Simulation, subscribed: Subscriber):
    simulation.events.lose = True
    upload(simulation, 0)
    simulation.events.lose, simulation.events.repeat, simulation.events.reorder = False, True, True
    uploaded = [upload(simulation, hours) for hours in range(4)]
    simulation.events.wait()
    told = [each["object_id"] for each in subscribed.events]
    assert sorted(told) == sorted(uploaded * 2)
    assert told != sorted(told)
