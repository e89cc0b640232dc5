"""The simulated webhooks: one subscription, proven by a handshake, and events that get lost or come twice.

https://developers.strava.com/docs/webhooks/
"""

import asyncio
import queue
import secrets
import threading
import time
from typing import Any

import requests
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.answers import form, refusal
from strava_assets.simulator.simulation import Simulation

PATIENCE = 2.0
ATTEMPTS = 3
RETRY_AFTER = 0.2
"""Seconds; Strava waits for minutes."""


class Sender:
    """Posts events to the subscriber from a thread: up to three attempts, then the event is gone."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.lose = self.repeat = False
        simulation.listeners.append(self.tell)
        threading.Thread(target=self._post_all, daemon=True).start()

    def tell(self, aspect: str, object_id: int, owner: int, changed: dict[str, str]) -> None:
        """Queue an event, if somebody subscribed and tests let it pass."""
        subscription = self._simulation.subscription
        if subscription is None or self.lose:
            return
        event = {
            "object_type": "athlete" if aspect == "deauthorize" else "activity",
            "object_id": object_id,
            "aspect_type": "update" if aspect == "deauthorize" else aspect,
            "updates": changed,
            "owner_id": owner,
            "subscription_id": subscription["id"],
            "event_time": int(self._simulation.clock.time()),
        }
        for _ in range(2 if self.repeat else 1):
            self._events.put(event)

    def _post_all(self) -> None:
        while True:
            event = self._events.get()
            subscription = self._simulation.subscription
            for attempt in range(ATTEMPTS if subscription else 0):
                try:
                    answer = requests.post(subscription["callback_url"], json=event, timeout=PATIENCE)  # type: ignore[index]
                    if answer.status_code == 200:
                        break
                except requests.RequestException:
                    pass  # as unanswered as any other
                time.sleep(RETRY_AFTER * (attempt + 1))


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/api/v3/push_subscriptions`."""
    Sender(simulation)

    async def subscribe(request: HttpRequest) -> Response:
        fields = {name: str(value) for name, value in (await form(request)).items()}
        if problem := _unknown_application(simulation, fields):
            return problem
        if simulation.subscription:
            return refusal(400, "Bad Request", "PushSubscription", "", "already exists")
        url = fields.get("callback_url", "")
        if not await asyncio.to_thread(_answers_the_challenge, url, fields.get("verify_token", "")):
            return refusal(400, "Bad Request", "PushSubscription", "callback url", "not verifiable")
        simulation.subscription = {"id": secrets.randbelow(10**6) + 1, "callback_url": url}
        simulation.on_change()
        return JSONResponse({"id": simulation.subscription["id"]}, 201)

    async def show(request: HttpRequest) -> Response:
        if problem := _unknown_application(simulation, dict(request.query_params)):
            return problem
        return JSONResponse([simulation.subscription] if simulation.subscription else [])

    async def delete(request: HttpRequest) -> Response:
        if problem := _unknown_application(simulation, dict(request.query_params)):
            return problem
        if not simulation.subscription or simulation.subscription["id"] != request.path_params["id"]:
            return refusal(404, "Record Not Found", "PushSubscription", "id", "not found")
        simulation.subscription = None
        simulation.on_change()
        return Response(status_code=204)

    path = "/api/v3/push_subscriptions"
    return [
        Route(path, subscribe, methods=["POST"]),
        Route(path, show, methods=["GET"]),
        Route(path + "/{id:int}", delete, methods=["DELETE"]),
    ]


def _unknown_application(simulation: Simulation, given: dict[str, str]) -> Response | None:
    if (given.get("client_id"), given.get("client_secret")) == (simulation.client_id, simulation.client_secret):
        return None
    return refusal(401, "Authorization Error", "Application", "", "invalid")


def _answers_the_challenge(url: str, verify_token: str) -> bool:
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        answer = requests.get(url, params=query, timeout=PATIENCE)
        return answer.status_code == 200 and answer.json().get("hub.challenge") == challenge
    except (requests.RequestException, ValueError, AttributeError):
        return False
