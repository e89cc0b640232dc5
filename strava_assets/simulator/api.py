"""The simulated API as an ASGI app: athlete, activities, one activity.

https://developers.strava.com/docs/reference/
"""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from strava_assets.simulator import control, oauth, webhooks
from strava_assets.simulator.exact_json import changed
from strava_assets.simulator.responses import api, bad_request, refusal
from strava_assets.simulator.simulation import Simulation
from strava_assets.simulator.tokens import Grant

MAX_PER_PAGE = 200
PROFILE: dict[str, Any] = {
    "bikes": [{"id": "b12345678987655", "primary": True, "name": "EMC", "resource_state": 2, "distance": 0}],
    "shoes": [{"id": "g12345678987655", "primary": True, "name": "adidas", "resource_state": 2, "distance": 4904}],
    "ftp": None,
    "weight": 68.5,
}
DETAILS: dict[str, Any] = {"resource_state": 3, "description": None, "calories": 870.2, "laps": [], "photos": {}}
"""What a DetailedActivity has beyond the summary, as far as anybody here looks."""
TEXT = "application/json; charset=utf-8"


def create_app(simulation: Simulation) -> Starlette:
    """All of the simulated Strava: `/oauth/...`, `/api/v3/...`, and `/_simulator/...` to change it."""

    def athlete(_request: HttpRequest, grant: Grant) -> Response:
        account = simulation.accounts[grant.athlete_id]
        profile = {"id": account.id, "resource_state": 3, "firstname": account.firstname, "lastname": account.lastname}
        return JSONResponse(profile | PROFILE if "profile:read_all" in grant.scopes else profile)

    def activities(request: HttpRequest, grant: Grant) -> Response:
        query = request.query_params
        try:
            page, per_page = int(query.get("page", 1)), int(query.get("per_page", 30))
            after, before = (int(query[name]) if name in query else None for name in ("after", "before"))
        except ValueError:
            return bad_request("Application", "parameters")
        if after is not None and after > simulation.clock.time():
            return bad_request("Application", "after", "future")
        if page < 1:
            return bad_request("Application", "page")
        if not 1 <= per_page <= MAX_PER_PAGE:
            return bad_request("Application", "per page", "limit exceeded")
        texts = simulation.listed(grant, after=after, before=before, page=page, per_page=per_page)
        if fault := simulation.faults.strike(request.url.path, short_pages=True):
            texts = texts[: max(1, len(texts) - fault.drop)]
        return Response(f"[{','.join(texts)}]", media_type=TEXT)

    def activity(request: HttpRequest, grant: Grant) -> Response:
        text = simulation.single(grant, int(request.path_params["id"]))
        if text is None:
            return refusal(404, "Record Not Found", "Activity", "", "not found")
        return Response(changed(text, DETAILS), media_type=TEXT)

    routes = [
        Route("/api/v3/athlete", api(simulation, None, athlete)),
        Route("/api/v3/athlete/activities", api(simulation, "activity:read", activities)),
        Route("/api/v3/activities/{id:int}", api(simulation, "activity:read", activity)),
    ]
    return Starlette(
        routes=[*routes, *oauth.routes(simulation), *webhooks.routes(simulation), *control.routes(simulation)]
    )
