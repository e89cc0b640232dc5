"""A Strava over real HTTP that answers word for word as a test says, for answers the simulation does not give.

Without a script it knows one application and its athletes: tokens that rotate, activities, limits.
"""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from strava_assets.settings import Settings
from strava_assets.strava.rate_limits import day_index, quarter_index

CLIENT_SECRET = "s3cret-of-the-application"
LIFETIME = 6 * 3600


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    reset: bool = False

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def fault(status: int, resource: str, named: str, code: str) -> Reply:
    """An error answer in Strava's shape."""
    return Reply(status, {"message": "Error", "errors": [{"resource": resource, "field": named, "code": code}]})


class ScriptedStrava:
    """A context manager that serves on a free loopback port. `script` answers what it does not return None for."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.script: Callable[[Request], Reply | None] = lambda _: None
        self.requests: list[Request] = []
        self.athletes: dict[int, list[dict[str, Any]]] = {}
        self.access: dict[str, int] = {}
        self.refresh: dict[str, int] = {}
        self.codes: dict[str, int] = {}
        self.granted = "read,activity:read_all"
        self.limit = (100, 1000)
        self.refused = 0
        self._issued = 0
        self._counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self, redis_url: str, **more: str) -> Settings:
        return Settings.from_environment(
            {
                "STRAVA_CLIENT_ID": "1",
                "STRAVA_CLIENT_SECRET": CLIENT_SECRET,
                "STRAVA_BASE_URL": self.url,
                "REDIS_URL": redis_url,
                **more,
            }
        )

    def issue(self, athlete_id: int, lifetime: float = LIFETIME) -> dict[str, Any]:
        """A new token of the athlete's; the refresh tokens before it are void, as Strava's are."""
        self._issued += 1
        self.athletes.setdefault(athlete_id, [])
        for token in [token for token, owner in self.refresh.items() if owner == athlete_id]:
            del self.refresh[token]
        access, refresh = f"access-{self._issued}-of-{athlete_id}", f"refresh-{self._issued}-of-{athlete_id}"
        self.access[access] = self.refresh[refresh] = athlete_id
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_at": int(self.now().timestamp() + lifetime),
            "expires_in": int(lifetime),
        }

    def requests_to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply(self, request: Request) -> Reply:
        self.requests.append(request)
        if (reply := self.script(request)) is not None:
            return reply
        if request.path.startswith("/oauth/"):
            return getattr(self, f"_{request.path.removeprefix('/oauth/')}")(request)  # type: ignore[no-any-return]
        return self._api(request)

    def _authorize(self, request: Request) -> Reply:
        code = f"code-{len(self.codes) + 1}"
        self.codes[code] = min(self.athletes)
        query = urlencode({"state": request.query["state"], "code": code, "scope": self.granted})
        return Reply(302, "", {"Location": f"{request.query['redirect_uri']}?{query}"})

    def _token(self, request: Request) -> Reply:
        if request.form.get("client_secret") != CLIENT_SECRET:
            return fault(401, "Application", "", "invalid")
        if request.form["grant_type"] == "refresh_token":
            athlete_id = self.refresh.get(request.form["refresh_token"])
            if athlete_id is None:
                return fault(400, "RefreshToken", "refresh_token", "invalid")
            return Reply(200, {**self.issue(athlete_id), "scope": self.granted.replace(",", " ")})
        athlete_id = self.codes.pop(request.form["code"], None)
        if athlete_id is None:
            return fault(400, "AuthorizationCode", "code", "invalid")
        return Reply(200, {**self.issue(athlete_id), "athlete": self._profile(athlete_id)})

    def _revoke(self, request: Request) -> Reply:
        owner = self.refresh.get(request.form["token"]) or self.access.get(request.form["token"])
        for tokens in (self.access, self.refresh):
            for token in [token for token, whose in tokens.items() if whose == owner]:
                del tokens[token]
        return Reply(200, {})

    def _api(self, request: Request) -> Reply:
        headers = self.count()
        if headers is None:
            return Reply(429, {"message": "Rate Limit Exceeded", "errors": []})
        athlete_id = self.access.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if athlete_id is None:
            reply = fault(401, "Athlete", "access_token", "invalid")
        elif request.path == "/api/v3/athlete":
            reply = Reply(200, self._profile(athlete_id))
        elif request.path == "/api/v3/athlete/activities":
            reply = Reply(200, self._listed(athlete_id, request.query))
        else:
            reply = Reply(404, {"message": "Record Not Found", "errors": []})
        return Reply(reply.status, reply.body, {**headers, **reply.headers})

    def count(self) -> dict[str, str] | None:
        """Count a request as Strava does; the headers that say so, None where it is refused."""
        windows = ("quarter", quarter_index(self.now())), ("day", day_index(self.now()))
        with self._lock:
            self._counts.update(windows)
            used = [self._counts[window] for window in windows]
            if used[0] > self.limit[0] or used[1] > self.limit[1]:
                self.refused += 1
                return None
        return {
            "X-ReadRateLimit-Usage": f"{used[0]},{used[1]}",
            "X-ReadRateLimit-Limit": f"{self.limit[0]},{self.limit[1]}",
            "X-RateLimit-Usage": f"{used[0]},{used[1]}",
            "X-RateLimit-Limit": f"{2 * self.limit[0]},{2 * self.limit[1]}",
        }

    def _listed(self, athlete_id: int, query: dict[str, str]) -> list[dict[str, Any]]:
        after, before = int(query["after"]), int(query.get("before", 2**40))
        found = [
            activity
            for activity in self.athletes[athlete_id]
            if after < datetime.fromisoformat(activity["start_date"]).timestamp() < before
        ]
        size, page = int(query["per_page"]), int(query.get("page", 1))
        return found[(page - 1) * size : page * size]

    def _profile(self, athlete_id: int) -> dict[str, Any]:
        return {"id": athlete_id, "firstname": "Ana", "lastname": "Díaz", "city": "Lugo", "weight": 61.5}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._reply

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                request = Request(
                    self.command, parts.path, dict(parse_qsl(parts.query)), dict(parse_qsl(form)), dict(self.headers)
                )
                reply = answer(request)
                if reply.reset:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                body = reply.encoded()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: reply.cut_after])
                self.close_connection = reply.cut_after is not None

            def log_message(self, *_: object) -> None:
                """Tests read `requests` instead."""

        return Handler
