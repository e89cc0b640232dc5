"""The simulated API as an ASGI app: athlete, activities, one activity.

https://developers.strava.com/docs/reference/
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from strava_assets.simulator import control, oauth, webhooks
from strava_assets.simulator.answers import api, refusal
from strava_assets.simulator.simulation import Grant, Simulation

MAX_PER_PAGE = 200


def create_app(simulation: Simulation) -> Starlette:
    """All of the simulated Strava: `/oauth/...`, `/api/v3/...`, and `/_simulator/...` to change it."""

    def athlete(_request: HttpRequest, grant: Grant) -> Response:
        account = simulation.accounts[grant.athlete_id]
        return JSONResponse(
            {"id": account.id, "resource_state": 3, "firstname": account.firstname, "lastname": account.lastname}
        )

    def activities(request: HttpRequest, grant: Grant) -> Response:
        try:
            query = {name: int(value) for name, value in request.query_params.items()}
        except ValueError:
            return refusal(400, "Bad Request", "Application", "parameters", "invalid")
        after, per_page = query.get("after"), query.get("per_page", 30)
        if after is not None and after > simulation.clock.time():
            return refusal(400, "Bad Request", "Application", "after", "future")
        if not 1 <= per_page <= MAX_PER_PAGE:
            return refusal(400, "Bad Request", "Application", "per page", "limit exceeded")
        texts = simulation.listed(
            grant, after=after, before=query.get("before"), page=query.get("page", 1), per_page=per_page
        )
        if fault := simulation.faults.strike(request.url.path, short_pages=True):
            texts = texts[: max(1, len(texts) - fault.drop)]
        return Response(f"[{','.join(texts)}]", media_type="application/json; charset=utf-8")

    def activity(request: HttpRequest, grant: Grant) -> Response:
        text = simulation.single(grant, int(request.path_params["id"]))
        if text is None:
            return refusal(404, "Record Not Found", "Activity", "", "not found")
        detailed = {**json.loads(text), "resource_state": 3, "description": None}
        return Response(json.dumps(detailed), media_type="application/json; charset=utf-8")

    routes = [
        Route("/api/v3/athlete", api(simulation, None, athlete)),
        Route("/api/v3/athlete/activities", api(simulation, "activity:read", activities)),
        Route("/api/v3/activities/{id:int}", api(simulation, "activity:read", activity)),
    ]
    return Starlette(
        routes=[*routes, *oauth.routes(simulation), *webhooks.routes(simulation), *control.routes(simulation)]
    )
