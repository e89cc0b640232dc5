"""`/_simulator/...`: what tests in the same process do by method, for other processes over HTTP, in JSON."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.simulation import ALL_SCOPES, Simulation

Command = Callable[[dict[str, Any], HttpRequest], object]
REMOVED = "_removed"
"""In a PATCH: the names of the fields to remove."""


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/_simulator`. A body is a JSON object with the method's arguments."""

    def edit(fields: dict[str, Any], request: HttpRequest) -> None:
        removed: dict[str, Any] = dict.fromkeys(fields.pop(REMOVED, ()), ...)
        simulation.edit(request.path_params["id"], **fields, **removed)

    def deliver(fields: dict[str, Any], _request: HttpRequest) -> object:
        for name in fields.keys() & {"lose", "repeat", "reorder", "retry_after"}:
            setattr(simulation.events, name, fields[name])
        return {"delivered": simulation.events.delivered}

    def advance(fields: dict[str, Any], _request: HttpRequest) -> object:
        simulation.advance(fields["seconds"])
        return {"now": simulation.now().isoformat()}

    def grant(fields: dict[str, Any], _request: HttpRequest) -> object:
        return simulation.grant(fields.get("athlete_id"), fields.get("scopes", ALL_SCOPES))

    def show_activities(_fields: dict[str, Any], request: HttpRequest) -> object:
        return simulation.activities(int(request.query_params["athlete_id"]))

    commands: dict[tuple[str, str], Command] = {
        ("POST", "/athletes"): lambda fields, _: {"id": simulation.add_athlete(**fields).id},
        ("GET", "/activities"): show_activities,
        ("POST", "/activities"): lambda fields, _: {"id": simulation.add_activity(**fields)},
        ("PATCH", "/activities/{id:int}"): edit,
        ("DELETE", "/activities/{id:int}"): lambda _, request: simulation.delete(request.path_params["id"]),
        ("POST", "/grant"): grant,
        ("POST", "/revoke"): lambda fields, _: simulation.revoke(fields["athlete_id"]),
        ("POST", "/faults"): lambda fields, _: asdict(simulation.faults.add(**fields)),
        ("DELETE", "/faults"): lambda _, __: simulation.faults.clear(),
        ("POST", "/events"): deliver,
        ("POST", "/advance"): advance,
        ("GET", "/requests"): lambda _, __: [asdict(each) for each in list(simulation.requests)],
    }
    return [
        Route(f"/_simulator{path}", _answering(command), methods=[method])
        for (method, path), command in commands.items()
    ]


def _answering(command: Command) -> Callable[[HttpRequest], Awaitable[Response]]:
    """Runs a command; wrong arguments get a 400, an unknown activity or athlete a 404, each with the reason."""

    @functools.wraps(command)
    async def answer(request: HttpRequest) -> Response:
        try:
            fields = await request.json() if await request.body() else {}
            result = command(fields, request)
        except KeyError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({} if result is None else result)

    return answer
