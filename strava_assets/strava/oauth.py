"""Requests to Strava's /oauth/...: authorize, exchange a code, renew a token, revoke it.

These requests do not count against the limits. https://developers.strava.com/docs/authentication/
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import requests
from urllib3.exceptions import NewConnectionError

from strava_assets.strava import api_errors
from strava_assets.strava.clock import Clock
from strava_assets.strava.config import StravaConfig
from strava_assets.strava.retries import TryAgain, repeat
from strava_assets.strava.transport import TIMEOUT, Answer, StravaSession, answer_of, https_form, open_session

SCOPES = ("read", "activity:read_all")
"""What a login asks for. Passed as a list, since oauthlib warns of a changed scope for a comma-joined string."""

EXCHANGE = "POST /oauth/token"


class OAuth:
    """The application's conversation with Strava's OAuth server. Its `repr` shows no secret."""

    def __init__(self, settings: StravaConfig, clock: Clock) -> None:
        settings.require_application()
        self._client_id = settings.client_id
        self._client_secret = settings.client_secret
        self._base_url = settings.base_url
        self._allow_plain_http = settings.allow_plain_http
        self._clock = clock

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """The page on which the athlete grants access. It asks again even where access was granted before."""
        query = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "approval_prompt": "force",
            "scope": ",".join(SCOPES),
            "state": state,
        }
        return f"{self._base_url}/oauth/authorize?{urlencode(query)}"

    def exchange(self, code: str) -> dict[str, Any]:
        """The token for a login's code, with the athlete in it.

        Raises PermanentError for a code that was used or is too old, ConfigurationError for a wrong client secret.
        """

        def once() -> dict[str, Any]:
            with self._session(None, of_login=True) as session:
                return dict(
                    session.fetch_token(
                        self._url("token"),
                        code=code,
                        client_secret=self._client_secret,
                        include_client_id=True,
                        timeout=TIMEOUT,
                    )
                )

        # Not repeated: a code works once, so an answer that was lost cannot be had again.
        return repeat(EXCHANGE, once, self._clock, attempts=1)

    def renew(self, refresh_token: str, athlete_id: int | None) -> dict[str, Any]:
        """A new token for a refresh token, which is void afterwards. Asked once: the caller repeats it.

        Raises RefreshTokenRefused if Strava does not know it (any more), ConfigurationError for a wrong client
        secret, TryAgain or requests.RequestException for what may pass; `was_not_renewed` tells more of these.
        """
        with self._session(athlete_id, of_login=False) as session:
            return dict(
                session.refresh_token(
                    self._url("token"),
                    refresh_token=refresh_token,
                    client_id=self._client_id,
                    client_secret=self._client_secret,
                    timeout=TIMEOUT,
                )
            )

    def revoke(self, token: str) -> None:
        """End Strava's grant, access and refresh token together. A token that is void already is no error."""

        def once() -> None:
            with self._open_session() as session:
                response = session.post(
                    self._url("revoke"),
                    data={"token": token},
                    auth=(self._client_id, self._client_secret),
                    timeout=TIMEOUT,
                )
                answer = _judged(response)
            # Strava answers 401 where the token itself is void: what was asked for is so already.
            is_void = answer.status == HTTPStatus.UNAUTHORIZED and not api_errors.blames_application(answer)
            if not answer.ok and not is_void:
                raise api_errors.of_oauth(answer, None, "POST /oauth/revoke")

        repeat("POST /oauth/revoke", once, self._clock)

    def _session(self, athlete_id: int | None, *, of_login: bool) -> StravaSession:
        """A session that reads an error's body before oauthlib hides it in a MissingTokenError.

        It is made without scopes: otherwise oauthlib raises a Warning where Strava names others in its answer.
        """

        def judge(response: requests.Response) -> requests.Response:
            answer = _judged(response)
            if not answer.ok:
                raise api_errors.of_oauth(answer, athlete_id, EXCHANGE, of_login=of_login)
            if not _has_token(answer):
                raise TryAgain(f"the answer holds no token ({answer.content_type})")
            return response

        session = self._open_session()
        session.register_compliance_hook("access_token_response", judge)
        session.register_compliance_hook("refresh_token_response", judge)
        return session

    def _open_session(self) -> StravaSession:
        return open_session(self._client_id, self._base_url, allow_plain_http=self._allow_plain_http)

    def _url(self, name: str) -> str:
        return https_form(f"{self._base_url}/oauth/{name}")


def was_not_renewed(error: Exception) -> bool:
    """Whether it is certain that Strava did nothing: it was not reached, or reported that it does nothing now."""
    if isinstance(error, _NothingDone | requests.ConnectTimeout | requests.exceptions.SSLError):
        return True
    # requests wraps what urllib3 says of a connection that was never made.
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectionError) and isinstance(reason, NewConnectionError)


class _NothingDone(TryAgain):
    """Strava reported it: 429 or 503."""


def _judged(response: requests.Response) -> Answer:
    message = f"HTTP {response.status_code}"
    if response.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        raise _NothingDone(message)
    if response.status_code in api_errors.MAY_BE_RETRIED:
        raise TryAgain(message)
    return answer_of(response)


def _has_token(answer: Answer) -> bool:
    try:
        body = answer.json()
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("access_token"), str) and bool(body["access_token"])
