"""The application's one webhook subscription: made, listed and deleted at Strava.

https://developers.strava.com/docs/webhooks/
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from strava_assets.errors import ConfigurationError, PermanentError, StravaAssetsError
from strava_assets.strava import api_errors
from strava_assets.strava.clock import REAL
from strava_assets.strava.config import StravaConfig
from strava_assets.strava.retries import TryAgain, repeat
from strava_assets.strava.transport import TIMEOUT, Answer, answer_of, https_form, open_session

MAX_CALLBACK_URL = 255
"""Characters, by Strava's documentation."""


def _names_no_subscription(record: logging.LogRecord) -> bool:
    return "push_subscriptions" not in record.getMessage()


@dataclass(frozen=True)
class Subscription:
    """A subscription that Strava knows. The callback URL holds the secret path, so `repr` does not show it."""

    id: int
    callback_url: str

    def __repr__(self) -> str:
        return f"Subscription(id={self.id})"


class Subscriptions:
    """Makes, lists and deletes subscriptions at Strava.

    Raises ConfigurationError where no application is configured.
    """

    def __init__(self, settings: StravaConfig) -> None:
        settings.require_application()
        # Strava wants the client secret in the query, and urllib3 writes URLs into its debug log.
        logging.getLogger("urllib3.connectionpool").addFilter(_names_no_subscription)
        self._client_id = settings.client_id
        self._credentials = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        self._api_url = settings.api_url
        self._allow_plain_http = settings.allow_plain_http

    def existing(self) -> list[Subscription]:
        """The application's subscriptions: one or none."""
        request = "GET /push_subscriptions"

        def once() -> list[Subscription]:
            answer = self._ask("GET", "", params=self._credentials)
            if not answer.ok:
                raise _refused(answer, request)
            try:
                return [Subscription(int(each["id"]), str(each["callback_url"])) for each in answer.json()]
            except (ValueError, TypeError, KeyError):
                raise TryAgain("the answer is not a list of subscriptions") from None

        return repeat(request, once, REAL)

    def subscribe(self, callback_url: str, verify_token: str) -> Subscription:
        """Subscribe. Before Strava answers, it asks the callback URL for the handshake.

        Raises PermanentError where the URL does not pass it, or another subscription exists.
        """
        if len(callback_url) > MAX_CALLBACK_URL:
            raise ConfigurationError(
                f"The callback URL has {len(callback_url)} characters with its secret path; Strava takes at most "
                f"{MAX_CALLBACK_URL}. Use a shorter --callback-url."
            )
        request = "POST /push_subscriptions"
        form = {**self._credentials, "callback_url": callback_url, "verify_token": verify_token}

        def once() -> Subscription:
            answer = self._ask("POST", "", data=form)
            if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
                raise _refused(answer, request)
            try:
                return Subscription(int(answer.json()["id"]), callback_url)
            except (ValueError, TypeError, KeyError):
                raise TryAgain("the answer names no subscription") from None

        # Not repeated: if only the answer was lost, a second try would meet the first one's subscription.
        return repeat(request, once, REAL, attempts=1)

    def delete(self, subscription_id: int) -> bool:
        """End a subscription; False if Strava knows none with this id."""
        request = f"DELETE /push_subscriptions/{subscription_id}"

        def once() -> bool:
            answer = self._ask("DELETE", f"/{subscription_id}", params=self._credentials)
            if answer.status == HTTPStatus.NOT_FOUND:
                return False
            if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
                raise _refused(answer, request)
            return True

        return repeat(request, once, REAL)

    def _ask(self, method: str, path: str, **how: Any) -> Answer:  # noqa: ANN401 - params or data, as requests has them
        with open_session(self._client_id, self._api_url, allow_plain_http=self._allow_plain_http) as session:
            url = f"{https_form(self._api_url)}/push_subscriptions{path}"
            answer = answer_of(session.request(method, url, timeout=TIMEOUT, **how))
        if answer.status in api_errors.MAY_BE_RETRIED or answer.is_refused:
            raise TryAgain(f"HTTP {answer.status}")
        return answer


def _refused(answer: Answer, request: str) -> StravaAssetsError:
    reported = api_errors.described(answer)
    if "already exists" in reported:
        return PermanentError(
            "Strava already has a subscription of this application, and allows one. See: strava-assets webhook list; "
            "end it with: strava-assets webhook delete"
        )
    if "not verifiable" in reported or "does not return 200" in reported or "callback url" in reported:
        return PermanentError(
            f"Strava could not verify the callback URL ({reported}). `strava-assets webhook serve` must be running and "
            "reachable under that URL from the internet, and answer within two seconds; bot filters and login "
            "pages in between are the usual cause."
        )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return ConfigurationError(
            "Strava does not accept STRAVA_CLIENT_ID with STRAVA_CLIENT_SECRET. "
            "Compare both with https://www.strava.com/settings/api."
        )
    return api_errors.of_api(answer, request, None)
