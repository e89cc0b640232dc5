"""The simulated OAuth: the login page, codes, rotating refresh tokens, revocation.

https://developers.strava.com/docs/authentication/
"""

import base64
import binascii
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.login_page import login_page
from strava_assets.simulator.responses import bad_request, form, refusal, unlimited
from strava_assets.simulator.simulation import Simulation

SCOPES = frozenset(
    {
        *("read", "read_all", "profile:read_all", "profile:write"),
        *("activity:read", "activity:read_all", "activity:write"),
    }
)


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/oauth`."""

    async def page(request: HttpRequest) -> Response:
        query = request.query_params
        if problem := _problem(simulation, query.get("client_id"), query.get("redirect_uri", "")):
            return problem
        if query.get("response_type") != "code":
            return bad_request("Application", "response_type")
        scopes = query.get("scope", "read").split(",")
        if not SCOPES.issuperset(scopes):
            return bad_request("Authorize", "scope")
        kept = {name: query.get(name, "") for name in ("client_id", "redirect_uri", "state")}
        names = {each.id: f"{each.firstname} {each.lastname}".strip() for each in simulation.accounts.values()}
        return HTMLResponse(login_page(names, scopes, kept))

    async def decide(request: HttpRequest) -> Response:
        fields = await form(request)
        redirect_uri, state = str(fields.get("redirect_uri", "")), str(fields.get("state", ""))
        if problem := _problem(simulation, fields.get("client_id"), redirect_uri):
            return problem
        if fields.get("decision") == "authorize":
            athlete_id, scopes = str(fields.get("athlete_id")), frozenset(map(str, fields.getlist("scope")))
            if not athlete_id.isdecimal() or int(athlete_id) not in simulation.accounts:
                return bad_request("Athlete", "id")
            code = simulation.tokens.new_code(int(athlete_id), scopes)
            answer = {"state": state, "code": code, "scope": ",".join(sorted(scopes))}
        else:
            answer = {"state": state, "error": "access_denied"}
        separator = "&" if urlsplit(redirect_uri).query else "?"
        return RedirectResponse(f"{redirect_uri}{separator}{urlencode(answer)}", 302)

    async def token(request: HttpRequest) -> Response:
        fields = await form(request)
        if fields.get("client_id") != simulation.client_id:
            return bad_request("Application", "client_id")
        if fields.get("client_secret") != simulation.client_secret:
            # As users report it: https://github.com/node-strava/node-strava-v3/issues/37
            return refusal(401, "Authorization Error", "Application", "", "invalid")
        match fields.get("grant_type"):
            case "refresh_token":
                renewed = simulation.refresh(str(fields.get("refresh_token")))
                return JSONResponse(renewed) if renewed else bad_request("RefreshToken", "refresh_token")
            case "authorization_code":
                found = simulation.tokens.redeem(str(fields.get("code")))
                if isinstance(found, str):
                    # `expired` comes without a field: https://github.com/stravalib/stravalib/issues/190
                    return bad_request("AuthorizationCode", "code" if found == "invalid" else "", found)
                return JSONResponse(simulation.grant(found.athlete_id, found.scopes))
        return bad_request("Application", "grant_type")

    async def revoke(request: HttpRequest) -> Response:
        if not _is_application(simulation, request.headers.get("authorization", "")):
            return refusal(401, "Authorization Error", "Application", "", "invalid")
        # Revoking one revokes the pair; a token that is gone already is no error.
        athlete_id = simulation.tokens.athlete_of(str((await form(request)).get("token")))
        if athlete_id is not None:
            simulation.revoke(athlete_id)
        return JSONResponse({})

    async def deauthorize(request: HttpRequest) -> Response:
        token = str((await form(request)).get("access_token") or request.headers.get("authorization", "")[7:])
        grant = simulation.tokens.grant_of(token)
        if grant is None:
            return refusal(401, "Authorization Error", "Athlete", "access_token", "invalid")
        simulation.revoke(grant.athlete_id)
        return JSONResponse({"access_token": token})

    return [
        Route("/oauth/authorize", unlimited(simulation, page), methods=["GET"]),
        Route("/oauth/authorize", unlimited(simulation, decide), methods=["POST"]),
        Route("/oauth/token", unlimited(simulation, token), methods=["POST"]),
        Route("/oauth/revoke", unlimited(simulation, revoke), methods=["POST"]),
        Route("/oauth/deauthorize", unlimited(simulation, deauthorize), methods=["POST"]),
    ]


def _problem(simulation: Simulation, client_id: object, redirect_uri: str) -> Response | None:
    if client_id != simulation.client_id:
        return bad_request("Application", "client_id")
    # These two are allowed for every application.
    if urlsplit(redirect_uri).hostname not in {"localhost", "127.0.0.1"}:
        return bad_request("Application", "redirect_uri")
    return None


def _is_application(simulation: Simulation, authorization: str) -> bool:
    """Whether HTTP Basic names the application."""
    kind, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return kind.lower() == "basic" and decoded == f"{simulation.client_id}:{simulation.client_secret}"
