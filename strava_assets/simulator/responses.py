"""Strava's answers: error bodies as it sends them, and the wrappers that count, limit, break and log requests."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.datastructures import FormData
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from strava_assets.simulator.broken_connection import Lost, Truncated
from strava_assets.simulator.faults import Fault
from strava_assets.simulator.simulation import Request, Simulation
from strava_assets.simulator.tokens import Grant

Endpoint = Callable[[HttpRequest], Awaitable[Response]]
ApiEndpoint = Callable[[HttpRequest, Grant], Response]

HTML = "<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>"


def refusal(status: int, message: str, resource: str, field: str, code: str) -> JSONResponse:
    """An error as Strava words it."""
    return JSONResponse({"message": message, "errors": [{"resource": resource, "field": field, "code": code}]}, status)


def bad_request(resource: str, field: str, code: str = "invalid") -> JSONResponse:
    """A 400 as Strava words it."""
    return refusal(400, "Bad Request", resource, field, code)


async def form(request: HttpRequest) -> FormData:
    """The fields of a form-encoded body, the only kind that Strava takes."""
    pairs = parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
    return FormData([(name, value) for name, value in pairs])


def api(simulation: Simulation, scope: str | None, endpoint: ApiEndpoint) -> Endpoint:
    """An endpoint of the API: authorised by the header alone, counted and limited, struck by faults, logged."""

    async def authorised(request: HttpRequest) -> Response:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        grant = simulation.tokens.grant_of(token) if kind.lower() == "bearer" else None
        if grant is None:
            return refusal(401, "Authorization Error", "Athlete", "access_token", "invalid")
        if scope and not any(granted.startswith(scope) for granted in grant.scopes):
            return refusal(401, "Authorization Error", "AccessToken", f"{scope}_permission", "missing")
        return endpoint(request, grant)

    breakable = _breakable(simulation, authorised)

    @functools.wraps(endpoint)
    async def limited(request: HttpRequest) -> Response:
        if simulation.latency:
            await asyncio.sleep(simulation.latency)
        now = simulation.clock.time()
        is_allowed = simulation.limits.count(now)
        response = await breakable(request) if is_allowed else _too_many()
        response.headers.update(simulation.limits.headers(now))
        return response

    return _logged(simulation, limited)


def unlimited(simulation: Simulation, endpoint: Endpoint) -> Endpoint:
    """An endpoint beside the API, such as OAuth's: struck by faults and logged, but not limited."""
    return _logged(simulation, _breakable(simulation, endpoint))


def _logged(simulation: Simulation, endpoint: Endpoint) -> Endpoint:
    async def answer(request: HttpRequest) -> Response:
        if simulation.on_request:
            simulation.on_request(request.url.path)
        response = await endpoint(request)
        query, now = dict(request.query_params), simulation.clock.time()
        simulation.requests.append(Request(request.method, request.url.path, query, response.status_code, now))
        return response

    return answer


def _breakable(simulation: Simulation, endpoint: Endpoint) -> Endpoint:
    async def answer(request: HttpRequest) -> Response:
        fault = simulation.faults.strike(request.url.path)
        if fault is None:
            return await endpoint(request)
        return _instead(fault) or await _spoilt(fault, await endpoint(request))

    return answer


def _instead(fault: Fault) -> Response | None:
    match fault.kind:
        case "status":
            return JSONResponse({"message": "error"}, fault.status)
        case "inactive":
            return refusal(403, "Forbidden", "Application", "Status", "Inactive")
        case "html":
            return Response(HTML, media_type="text/html")
        case "body":
            return Response(fault.body, media_type="application/json")
        case "refused":
            return Lost()
    return None


async def _spoilt(fault: Fault, response: Response) -> Response:
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "truncated":
            return Truncated(response)
        case "reset":
            return Lost()
    return response


def _too_many() -> Response:
    return refusal(429, "Rate Limit Exceeded", "Application", "rate limit", "exceeded")
