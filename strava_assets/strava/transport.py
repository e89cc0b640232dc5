"""How one HTTP request to Strava is sent and its answer read: timeouts, no redirects, the whole body or nothing.

No retries and no judgement of the answer's status here.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests_oauthlib import OAuth2Session

from strava_assets.errors import ConfigurationError
from strava_assets.loopback import is_loopback
from strava_assets.strava.bounds import BoundedAdapter, read_whole

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to wait for the next bytes."""


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

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body parsed; ValueError if it is no JSON, or nested deeper than any of Strava's."""
        try:
            return json.loads(self.text())
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None


def _is_no_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class _PlainHttp(BoundedAdapter):
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
    """An OAuth2Session whose answers are whole and bounded, whoever reads them, oauthlib included.

    It never follows a redirect, which would carry the token to another address.
    """

    def __init__(self, client_id: str) -> None:
        # requests-oauthlib writes tokens, secrets and bodies into its debug log; no log level may show them.
        for name in ("requests_oauthlib.oauth2_session", "requests_oauthlib.oauth2_auth"):
            logging.getLogger(name).addFilter(_is_no_debug)
        super().__init__(client_id)
        self.mount("https://", BoundedAdapter())

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """The whole answer. Raises a requests.RequestException where it does not arrive, or not within its bounds."""
        return read_whole(super().send(request, **{**how, "stream": True}))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer redirects."""


def open_session(client_id: str, *urls: str, allow_plain_http: bool = False) -> StravaSession:
    """A session for requests to `urls`, to be addressed by `https_form`.

    Raises ConfigurationError for an http:// URL of another host than this machine, unless that is allowed: the token
    would travel in clear text.
    """
    session = StravaSession(client_id)
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                "STRAVA_BASE_URL or STRAVA_API_URL is not the URL of a web server. Write it like https://www.strava.com."
            )
        if parts.scheme == "https":
            continue
        if not is_loopback(url) and not allow_plain_http:
            raise ConfigurationError(
                f"http://{parts.hostname} is not encrypted, and the token could be read on its way there. Use https in "
                f"STRAVA_BASE_URL and STRAVA_API_URL, or set OAUTHLIB_INSECURE_TRANSPORT=1 for a simulation."
            )
        session.mount(https_form(f"http://{parts.netloc}"), _PlainHttp())
    # A proxy named by the environment cannot reach this machine's own loopback address.
    session.trust_env = not all(is_loopback(url) for url in urls)
    return session


def https_form(url: str) -> str:
    """The URL as oauthlib accepts it; the session sends it as it was meant."""
    return f"https{url.removeprefix('http')}" if urlsplit(url).scheme == "http" else url


def answer_of(response: requests.Response) -> Answer:
    """The answer in a session's response."""
    return Answer(response.status_code, response.headers, response.content)
