"""Strava's answers: error bodies as it sends them, and the wrapper that counts, limits and breaks requests."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.datastructures import FormData
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from strava_assets.simulator.faults import Fault
from strava_assets.simulator.simulation import Grant, Request, Simulation

Endpoint = Callable[[HttpRequest], Awaitable[Response]]
ApiEndpoint = Callable[[HttpRequest, Grant], Response]

HTML = "<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>"


def refusal(status: int, message: str, resource: str, field: str, code: str) -> JSONResponse:
    """An error as Strava words it."""
    return JSONResponse({"message": message, "errors": [{"resource": resource, "field": field, "code": code}]}, status)


async def form(request: HttpRequest) -> FormData:
    """The fields of a form-encoded body, the only kind that Strava takes."""
    pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    return FormData([(name, value) for name, value in pairs])


def api(simulation: Simulation, scope: str | None, endpoint: ApiEndpoint) -> Endpoint:
    """An endpoint of the API: counted, limited, authorised by the header alone, and struck by faults."""

    @functools.wraps(endpoint)
    async def answer(request: HttpRequest) -> Response:
        if simulation.on_request:
            simulation.on_request(request.url.path)
        if simulation.latency:
            await asyncio.sleep(simulation.latency)
        now = simulation.clock.time()
        is_allowed = simulation.limits.count(now)
        fault = simulation.faults.strike(request.url.path)
        response = _authorised(simulation, request, scope, endpoint) if is_allowed else _too_many()
        if fault and is_allowed:
            response = await _struck(fault, request, response)
        response.headers.update(simulation.limits.headers(now))
        query = dict(request.query_params)
        simulation.requests.append(Request(request.method, request.url.path, query, response.status_code, now))
        return response

    return answer


def _authorised(simulation: Simulation, request: HttpRequest, scope: str | None, endpoint: ApiEndpoint) -> Response:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    grant = simulation.grant_of(token) if kind.lower() == "bearer" else None
    if grant is None:
        return refusal(401, "Authorization Error", "Athlete", "access_token", "invalid")
    if scope and not any(granted.startswith(scope) for granted in grant.scopes):
        return refusal(401, "Authorization Error", "AccessToken", f"{scope}_permission", "missing")
    return endpoint(request, grant)


def _too_many() -> Response:
    return refusal(429, "Rate Limit Exceeded", "Application", "rate limit", "exceeded")


async def _struck(fault: Fault, request: HttpRequest, response: Response) -> Response:
    match fault.kind:
        case "status":
            return JSONResponse({"message": "error"}, fault.status)
        case "inactive":
            return refusal(403, "Forbidden", "Application", "Status", "Inactive")
        case "html":
            return Response(HTML, media_type="text/html")
        case "body":
            return Response(fault.body, media_type="application/json")
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "truncated":
            length = str(len(response.body))
            half = bytes(response.body)[: len(response.body) // 2]
            return Response(half, media_type="application/json", headers={"Content-Length": length})
        case "reset":
            # uvicorn's request cycle, which `receive` belongs to, knows the connection.
            request.receive.__self__.transport.abort()  # type: ignore[attr-defined]
            return Response()
    return response
