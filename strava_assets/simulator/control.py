"""`/_simulator/...`: what tests in the same process do by method, for other processes over HTTP, in JSON."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.simulation import ALL_SCOPES, Simulation


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/_simulator`. A body is a JSON object."""

    async def body(request: HttpRequest) -> dict[str, Any]:
        said = await request.body()
        return await request.json() if said else {}

    async def add_athlete(request: HttpRequest) -> Response:
        return JSONResponse({"id": simulation.add_athlete(**await body(request)).id})

    async def add_activity(request: HttpRequest) -> Response:
        return JSONResponse({"id": simulation.add_activity(**await body(request))})

    async def show_activities(request: HttpRequest) -> Response:
        return JSONResponse(simulation.activities(int(request.query_params["athlete_id"])))

    async def edit(request: HttpRequest) -> Response:
        simulation.edit(request.path_params["id"], **await body(request))
        return JSONResponse({})

    async def delete(request: HttpRequest) -> Response:
        simulation.delete(request.path_params["id"])
        return JSONResponse({})

    async def grant(request: HttpRequest) -> Response:
        asked = await body(request)
        return JSONResponse(simulation.grant(asked.get("athlete_id"), asked.get("scopes", ALL_SCOPES)))

    async def revoke(request: HttpRequest) -> Response:
        simulation.revoke((await body(request))["athlete_id"])
        return JSONResponse({})

    async def add_fault(request: HttpRequest) -> Response:
        simulation.faults.add(**await body(request))
        return JSONResponse({})

    async def clear_faults(_request: HttpRequest) -> Response:
        simulation.faults.clear()
        return JSONResponse({})

    async def advance(request: HttpRequest) -> Response:
        simulation.advance((await body(request))["seconds"])
        return JSONResponse({"now": simulation.now().isoformat()})

    async def show_requests(_request: HttpRequest) -> Response:
        return JSONResponse([asdict(request) for request in simulation.requests])

    prefix = "/_simulator"
    return [
        Route(f"{prefix}/athletes", add_athlete, methods=["POST"]),
        Route(f"{prefix}/activities", add_activity, methods=["POST"]),
        Route(f"{prefix}/activities", show_activities, methods=["GET"]),
        Route(prefix + "/activities/{id:int}", edit, methods=["PATCH"]),
        Route(prefix + "/activities/{id:int}", delete, methods=["DELETE"]),
        Route(f"{prefix}/grant", grant, methods=["POST"]),
        Route(f"{prefix}/revoke", revoke, methods=["POST"]),
        Route(f"{prefix}/faults", add_fault, methods=["POST"]),
        Route(f"{prefix}/faults", clear_faults, methods=["DELETE"]),
        Route(f"{prefix}/advance", advance, methods=["POST"]),
        Route(f"{prefix}/requests", show_requests, methods=["GET"]),
    ]
