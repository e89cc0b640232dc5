"""One question to Strava's API and its answer: token, budget, retries and errors, for every kind of question alike."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from strava_assets.errors import MalformedPage
from strava_assets.strava import api_errors
from strava_assets.strava.clock import Clock
from strava_assets.strava.config import StravaConfig
from strava_assets.strava.request_budget import Budget
from strava_assets.strava.retries import ATTEMPTS, TryAgain, repeat
from strava_assets.strava.token_renewal import Access
from strava_assets.strava.tokens import Token
from strava_assets.strava.transport import TIMEOUT, Answer, answer_of, https_form, open_session

T = TypeVar("T")

PAUSE_AFTER_REFUSAL = 1.0
"""Seconds. A 401 can be a stray one, and a renewal stakes the login, so the same token is tried once more before."""


class ApiSession:
    """Asks the API on behalf of an athlete, over one connection that is kept."""

    def __init__(self, settings: StravaConfig, access: Access, budget: Budget, clock: Clock) -> None:
        self._api_url = https_form(settings.api_url)
        self._session = open_session(settings.client_id, settings.api_url, allow_plain_http=settings.allow_plain_http)
        self._access = access
        self._budget = budget
        self._clock = clock
        self.requests_made = 0

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def get(
        self,
        token_key: str,
        path: str,
        parameters: Mapping[str, str | int],
        understand: Callable[[str], T],
        *,
        attempts: int = ATTEMPTS,
    ) -> T | None:
        """What `understand` makes of the answer's body; None for a 404.

        `understand` raises ValueError for a body that is not what it should be. Raises RateLimitExceeded,
        StravaUnavailable or MalformedPage where a later try may help, AthleteError where it is the athlete's login,
        ApplicationInactive, ConfigurationError or PermanentError where somebody must repair something.
        """
        request = f"GET {path}"

        def once() -> T | None:
            answer = self._ask_with_valid_token(token_key, path, parameters)
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            try:
                return understand(answer.text())
            except ValueError as error:
                reason = (
                    f"the answer ({answer.content_type}, {len(answer.body)} bytes) is not what it should be: {error}"
                )
                raise TryAgain(reason, MalformedPage) from error

        return repeat(request, once, self._clock, attempts=attempts)

    def _ask_with_valid_token(self, token_key: str, path: str, parameters: Mapping[str, str | int]) -> Answer:
        token = self._access.token(token_key)
        answer = self._ask(token, path, parameters)
        if _is_refusal(answer):
            self._clock.sleep(PAUSE_AFTER_REFUSAL)
            answer = self._ask(token, path, parameters)
        if _is_refusal(answer):
            token = self._access.instead_of(token, token_key)
            answer = self._ask(token, path, parameters)
        if answer.ok or answer.status == HTTPStatus.NOT_FOUND:
            self._access.record_acceptance(token, token_key)
        else:
            raise api_errors.of_api(answer, f"GET {path}", token.athlete_id)
        return answer

    def _ask(self, token: Token, path: str, parameters: Mapping[str, str | int]) -> Answer:
        """Send one request, counted before and after. Raises TryAgain for what may pass."""
        reservation = self._budget.take()
        answer: Answer | None = None
        try:
            answer = self._send(token, path, parameters)
        finally:
            self.requests_made += 1
            headers = answer.headers if answer else None
            self._budget.settle(reservation, headers, refused=answer is not None and answer.is_refused)
        if answer.is_refused:
            # The budget decides how long to wait; a pause on top would add nothing.
            raise TryAgain("HTTP 429, rate limit reached", pause=False)
        if answer.status in api_errors.MAY_BE_RETRIED:
            raise TryAgain(f"HTTP {answer.status} {api_errors.described(answer)}")
        return answer

    def _send(self, token: Token, path: str, parameters: Mapping[str, str | int]) -> Answer:
        # Without its `expires_at`: whether a token is still good is decided by the clock in access.py alone.
        self._session.token = {"access_token": token.access_token, "token_type": "Bearer"}
        response = self._session.get(
            f"{self._api_url}{path}",
            params=parameters,
            headers={"Accept": "application/json"},
            timeout=TIMEOUT,
        )
        return answer_of(response)


def _is_refusal(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED and not api_errors.is_scope_missing(answer)
