"""The simulated webhook subscription: at most one, proven by a handshake.

https://developers.strava.com/docs/webhooks/
"""

import asyncio
import secrets
from collections.abc import Mapping

import requests
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.events import PATIENCE
from strava_assets.simulator.responses import bad_request, form, refusal, unlimited
from strava_assets.simulator.simulation import Simulation

MAX_CALLBACK_URL = 255


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/api/v3/push_subscriptions`."""

    async def subscribe(request: HttpRequest) -> Response:
        fields = {name: str(value) for name, value in (await form(request)).items()}
        if problem := _unknown_application(simulation, fields):
            return problem
        if simulation.subscription:
            return bad_request("PushSubscription", "", "already exists")
        url = fields.get("callback_url", "")
        if not url or len(url) > MAX_CALLBACK_URL:
            return bad_request("PushSubscription", "callback url", "invalid")
        if refusal := await asyncio.to_thread(_challenge, url, fields.get("verify_token", "")):
            return bad_request("PushSubscription", "callback url", refusal)
        simulation.subscription = {
            "id": secrets.randbelow(10**6) + 1,
            "resource_state": 2,
            "application_id": simulation.client_id,
            "callback_url": url,
        }
        simulation.on_change()
        return JSONResponse({"id": simulation.subscription["id"]}, 201)

    async def show(request: HttpRequest) -> Response:
        if problem := _unknown_application(simulation, request.query_params):
            return problem
        return JSONResponse([simulation.subscription] if simulation.subscription else [])

    async def delete(request: HttpRequest) -> Response:
        if problem := _unknown_application(simulation, request.query_params):
            return problem
        if not simulation.subscription or simulation.subscription["id"] != request.path_params["id"]:
            return refusal(404, "Record Not Found", "PushSubscription", "id", "not found")
        simulation.subscription = None
        simulation.on_change()
        return Response(status_code=204)

    path = "/api/v3/push_subscriptions"
    return [
        Route(path, unlimited(simulation, subscribe), methods=["POST"]),
        Route(path, unlimited(simulation, show), methods=["GET"]),
        Route(path + "/{id:int}", unlimited(simulation, delete), methods=["DELETE"]),
    ]


def _unknown_application(simulation: Simulation, given: Mapping[str, str]) -> Response | None:
    if (given.get("client_id"), given.get("client_secret")) == (simulation.client_id, simulation.client_secret):
        return None
    return refusal(401, "Authorization Error", "Application", "", "invalid")


def _challenge(url: str, verify_token: str) -> str | None:
    """Strava's word for what is wrong with the callback URL, if anything is."""
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    with requests.Session() as session:
        session.trust_env = False  # a proxy would not find the loopback
        try:
            answer = session.get(url, params=query, timeout=PATIENCE)
            if answer.status_code != 200:
                return "GET to callback URL does not return 200"
            is_proven = answer.json().get("hub.challenge") == challenge
        except (requests.RequestException, ValueError, AttributeError):
            is_proven = False
    return None if is_proven else "not verifiable"
