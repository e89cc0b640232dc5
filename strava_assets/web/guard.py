"""Which requests may reach Dagster's web server: those of its own pages, of programs, and links to its pages.

Dagster runs mutations that come by GET, and checks neither Host nor Origin. So any page that is open in the owner's
browser could launch runs (`<img src="http://127.0.0.1:3000/graphql?query=mutation…">`), and read everything after
pointing its own host name at 127.0.0.1 (DNS rebinding). Browsers name themselves in headers that pages cannot set:
https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strava_assets.loopback import LOOPBACK

_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"80", "443"}
_NO_PAGES = re.compile(r"/(graphql|report_[^/]*|server_info|dagit_info|logs|notebook|dagit|download_debug)(/|$)")
"""Paths of Dagster's web server that act or hand out data, rather than show a page."""

_DECIDING_HEADERS = ("host", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let through, in a sentence, and its HTTP status."""

    reason: str
    status: HTTPStatus = HTTPStatus.FORBIDDEN


@dataclass(frozen=True)
class Authority:
    """A host name and a port, as they stand in Host and Origin; `port` is empty where it is the scheme's own."""

    name: str
    port: str

    @classmethod
    def of(cls, text: str) -> "Authority":
        """Read `name` or `name:port`. Raises ValueError if it is neither."""
        if not (match := _AUTHORITY.fullmatch(text.strip().lower())):
            raise ValueError(f"{text!r} is not a host name")
        port = match["port"] or ""
        return cls(match["name"], "" if port in _DEFAULT_PORTS else port)


class Guard:
    """The ASGI middleware: refuses what `refusal` refuses, HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[Authority] = (), path_prefix: str = "") -> None:
        """`hosts` are the names under which a reverse proxy serves `app`."""
        self._app = app
        self._hosts = frozenset(hosts)
        self._path_prefix = path_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request here, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif refused := refusal(scope, hosts=self._hosts, path_prefix=self._path_prefix):
            answer = PlainTextResponse(
                f"error: {refused.reason}\n", refused.status, headers={"X-Content-Type-Options": "nosniff"}
            )
            if scope["type"] == "websocket":
                # Before it is accepted: the server answers the handshake with 403.
                await send({"type": "websocket.close", "code": 1008})
            else:
                await answer(scope, receive, send)
        else:
            await self._app(scope, receive, _without_frames(send))


def refusal(scope: Scope, *, hosts: frozenset[Authority], path_prefix: str = "") -> Refusal | None:
    """Why the request of an ASGI scope is refused; None where it may pass.

    `hosts` are a reverse proxy's names; loopback names may always be used.
    """
    headers = Headers(scope=scope)
    if repeated := next((name for name in _DECIDING_HEADERS if len(headers.getlist(name)) > 1), None):
        return Refusal(f"the header {repeated} is given more than once.")
    host = _authority(headers.get("host", ""))
    if host is None or not (host.name.strip("[]") in LOOPBACK or host.name in {each.name for each in hosts}):
        return Refusal(
            "this server answers to localhost, 127.0.0.1 and the names in STRAVA_WEB_HOSTS only; "
            "the request's Host is none of these."
        )
    origin = headers.get("origin")
    if origin is not None and _authority_of_page(origin) not in hosts | {host}:
        return Refusal("the request comes from another page. A reverse proxy's name belongs in STRAVA_WEB_HOSTS.")
    path = scope["path"].removeprefix(path_prefix)
    is_foreign = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    if is_foreign and not (_is_navigation(scope, headers) and not _NO_PAGES.match(path)):
        return Refusal("the request comes from another page, and only links to pages may.")
    if path == "/graphql" and scope["type"] == "http" and scope["method"] != "POST" and _is_mutation(scope):
        return Refusal("mutations are accepted by POST only.", HTTPStatus.METHOD_NOT_ALLOWED)
    return None


def _authority(text: str) -> Authority | None:
    try:
        return Authority.of(text)
    except ValueError:
        return None


def _authority_of_page(origin: str) -> Authority | None:
    scheme, _, authority = origin.partition("://")
    return _authority(authority) if scheme.lower() in {"http", "https"} else None


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    """Whether somebody follows a link, in a tab of its own and not in another page's frame."""
    return (
        scope["type"] == "http"
        and scope["method"] in {"GET", "HEAD"}
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _is_mutation(scope: Scope) -> bool:
    """Whether the query string holds GraphQL that does more than read; what cannot be parsed does nothing."""
    texts = [value for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name == "query"]
    for text in texts:
        try:
            definitions = parse(text).definitions
        except GraphQLError:
            continue
        for definition in definitions:
            if isinstance(definition, OperationDefinitionNode) and definition.operation != OperationType.QUERY:
                return True
    return False


def _without_frames(send: Send) -> Send:
    """Forbid other pages to show ours in a frame, where clicks could be led astray."""

    async def send_with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Frame-Options"] = "SAMEORIGIN"
        await send(message)

    return send_with_header
