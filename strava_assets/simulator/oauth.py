"""The simulated OAuth: the page where an athlete unticks scopes, codes, rotating refresh tokens, revocation.

https://developers.strava.com/docs/authentication/
"""

import base64
import binascii
import html
import secrets
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from strava_assets.simulator.answers import form, refusal
from strava_assets.simulator.simulation import Simulation

CODE_LIFETIME = 600
PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Simulated Strava</title></head><body>
<h1>Simulated Strava</h1><p>An application asks for access.</p><form method="post">
<p><label>Athlete <select name="athlete_id">{athletes}</select></label></p>{scopes}{hidden}
<p><button name="decision" value="authorize">Authorize</button>
<button name="decision" value="cancel">Cancel</button></p>
</form></body></html>"""


def routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes under `/oauth`."""

    async def page(request: HttpRequest) -> Response:
        query = request.query_params
        if problem := _problem(simulation, query.get("client_id"), query.get("redirect_uri", "")):
            return problem
        options = "".join(
            f'<option value="{each.id}">{html.escape(f"{each.firstname} {each.lastname}")}</option>'
            for each in simulation.accounts.values()
        )
        asked = query.get("scope", "read").split(",")
        boxes = "".join(
            f'<p><label><input type="checkbox" name="scope" value="{html.escape(scope)}" checked> {html.escape(scope)}'
            "</label></p>"
            for scope in asked
        )
        kept = ("client_id", "redirect_uri", "state")
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(query.get(name, ""))}">' for name in kept
        )
        return HTMLResponse(PAGE.format(athletes=options, scopes=boxes, hidden=hidden))

    async def decide(request: HttpRequest) -> Response:
        fields = await form(request)
        redirect_uri, state = str(fields.get("redirect_uri", "")), str(fields.get("state", ""))
        if problem := _problem(simulation, fields.get("client_id"), redirect_uri):
            return problem
        separator = "&" if urlsplit(redirect_uri).query else "?"
        if fields.get("decision") != "authorize":
            answer = {"state": state, "error": "access_denied"}
        else:
            scopes = frozenset(map(str, fields.getlist("scope")))
            code = secrets.token_hex(20)
            expires = simulation.clock.time() + CODE_LIFETIME
            simulation.codes[code] = (int(str(fields["athlete_id"])), scopes, expires)
            answer = {"state": state, "code": code, "scope": ",".join(sorted(scopes))}
        return RedirectResponse(f"{redirect_uri}{separator}{urlencode(answer)}", 302)

    async def token(request: HttpRequest) -> Response:
        fields = await form(request)
        if fields.get("client_id") != simulation.client_id:
            return refusal(400, "Bad Request", "Application", "client_id", "invalid")
        if fields.get("client_secret") != simulation.client_secret:
            return refusal(401, "Authorization Error", "Application", "client_secret", "invalid")
        match fields.get("grant_type"):
            case "refresh_token":
                renewed = simulation.refresh(str(fields.get("refresh_token")))
                return JSONResponse(renewed) if renewed else _bad_request("RefreshToken", "refresh_token")
            case "authorization_code":
                found = simulation.codes.pop(str(fields.get("code")), None)
                if found is None or found[2] < simulation.clock.time():
                    return _bad_request("AuthorizationCode", "code")
                return JSONResponse(simulation.grant(found[0], found[1]))
        return _bad_request("Application", "grant_type")

    async def revoke(request: HttpRequest) -> Response:
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        try:
            expected = f"{simulation.client_id}:{simulation.client_secret}"
            is_known = kind.lower() == "basic" and base64.b64decode(credentials).decode() == expected
        except (binascii.Error, UnicodeDecodeError):
            is_known = False
        if not is_known:
            return refusal(401, "Authorization Error", "Application", "client_secret", "invalid")
        token = str((await form(request)).get("token", ""))
        return _end(simulation, token) or JSONResponse({})

    async def deauthorize(request: HttpRequest) -> Response:
        token = (await form(request)).get("access_token") or request.headers.get("authorization", "")[7:]
        if simulation.grant_of(str(token)) is None:
            return refusal(401, "Authorization Error", "Athlete", "access_token", "invalid")
        return _end(simulation, str(token)) or JSONResponse({"access_token": token})

    return [
        Route("/oauth/authorize", page, methods=["GET"]),
        Route("/oauth/authorize", decide, methods=["POST"]),
        Route("/oauth/token", token, methods=["POST"]),
        Route("/oauth/revoke", revoke, methods=["POST"]),
        Route("/oauth/deauthorize", deauthorize, methods=["POST"]),
    ]


def _end(simulation: Simulation, token: str) -> Response | None:
    """End the pair that an access or refresh token belongs to; unknown ones are gone already."""
    grant = simulation.access_tokens.get(token)
    renewal = simulation.refresh_tokens.get(token)
    athlete_id = grant.athlete_id if grant else renewal[0] if renewal else None
    if athlete_id is not None:
        simulation.revoke(athlete_id)
    return None


def _problem(simulation: Simulation, client_id: object, redirect_uri: str) -> Response | None:
    if client_id != simulation.client_id:
        return refusal(400, "Bad Request", "Application", "client_id", "invalid")
    if urlsplit(redirect_uri).hostname not in {"localhost", "127.0.0.1"}:
        return refusal(400, "Bad Request", "Application", "redirect_uri", "invalid")
    return None


def _bad_request(resource: str, field: str) -> Response:
    return refusal(400, "Bad Request", resource, field, "invalid")
