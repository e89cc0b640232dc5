"""How one HTTP request to Strava is sent and its answer read: timeouts, no redirects, the whole body or nothing.

No retries and no judgement of the answer's status here.
"""

import ipaddress
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_oauthlib import OAuth2Session

from strava_assets.errors import ConfigurationError

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to wait for the next bytes."""

BODY_DEADLINE = 120.0
"""Seconds for a whole body: the read timeout alone never ends a body that drips."""

MAX_BODY = 64 * 1024 * 1024

PLAIN_HTTP_ALLOWED = "OAUTHLIB_INSECURE_TRANSPORT"
"""oauthlib's own environment variable for tokens over plain http, honoured here for other hosts than this machine."""


class IncompleteAnswer(requests.RequestException):
    """The body ended early, dripped for too long, or is larger than any page can be."""


@dataclass(frozen=True)
class Answer:
    """A complete answer: its status, headers and whole body. Its `repr` shows no body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether Strava answered what was asked: 200, and nothing that only resembles it."""
        return self.status == HTTPStatus.OK

    @property
    def is_refused(self) -> bool:
        """Whether a request limit was reached: 429."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def content_type(self) -> str:
        """What the answer claims to be, without parameters: `application/json`."""
        return self.headers.get("Content-Type", "").split(";")[0].strip() or "no content type"

    def text(self) -> str:
        """The body as UTF-8, which JSON is; ValueError if it is not."""
        return self.body.decode("utf-8")


class _NoDebug(logging.Filter):
    """requests-oauthlib writes tokens, secrets and bodies into its debug log; no log level may show them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


for _name in ("requests_oauthlib.oauth2_session", "requests_oauthlib.oauth2_auth"):
    logging.getLogger(_name).addFilter(_NoDebug())


class _PlainHttp(HTTPAdapter):
    """Sends over http what oauthlib was told is https, for a simulated Strava on this machine.

    oauthlib's own way is an environment variable, which would loosen its check for the whole process.
    """

    def send(  # noqa: PLR0917 - requests' own signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        request.url = "http" + (request.url or "").removeprefix("https")
        return super().send(request, stream, timeout, verify, cert, proxies)


class StravaSession(OAuth2Session):
    """An OAuth2Session that never follows a redirect: it would carry the token to another address."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer redirects."""


def open_session(client_id: str, *urls: str) -> StravaSession:
    """A session for requests to `urls`, to be addressed by `https_form`.

    Raises ConfigurationError for an http:// URL of another host than this machine: the token would travel in
    clear text.
    """
    session = StravaSession(client_id)
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                "STRAVA_BASE_URL or STRAVA_API_URL is no URL of a web server. Write it like https://www.strava.com."
            )
        if parts.scheme == "https":
            continue
        if not is_loopback(url) and not os.environ.get(PLAIN_HTTP_ALLOWED):
            raise ConfigurationError(
                f"http://{parts.hostname} is not encrypted, and the token could be read on its way there. Use https in "
                f"STRAVA_BASE_URL and STRAVA_API_URL, or set {PLAIN_HTTP_ALLOWED}=1 for a simulation."
            )
        session.mount(https_form(f"http://{parts.netloc}"), _PlainHttp())
    # A proxy named by the environment cannot reach this machine's own loopback address.
    session.trust_env = not all(is_loopback(url) for url in urls)
    return session


def https_form(url: str) -> str:
    """The URL as oauthlib accepts it; the session sends it as it was meant."""
    return f"https{url.removeprefix('http')}" if urlsplit(url).scheme == "http" else url


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def read(response: requests.Response) -> Answer:
    """Read the body of a streamed response to its end. Raises IncompleteAnswer if it does not get there.

    requests by itself takes a connection that was cut for the body's end.
    """
    deadline = time.monotonic() + BODY_DEADLINE
    body = bytearray()
    with response:
        for chunk in response.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_BODY or time.monotonic() > deadline:
                raise IncompleteAnswer("the body does not end")
        announced = response.headers.get("Content-Length", "")
        received = response.raw.tell()
    if announced.isdigit() and received != int(announced):
        raise IncompleteAnswer(f"the body ends after {received} of {announced} bytes")
    return Answer(response.status_code, response.headers, bytes(body))
