"""What the rest of the project asks Strava: who is logged in, an athlete's activities, one activity, the quota.

Every request to the API goes through here, and so through the shared budget and the token locks.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from math import ceil
from types import TracebackType
from typing import Any, Self

from strava_assets.errors import AthleteError, AthleteGone, ConfigurationError
from strava_assets.hours import Window
from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.strava.api_errors import NEEDED_SCOPE, scope_missing
from strava_assets.strava.clock import Clock
from strava_assets.strava.pagination import PER_PAGE, Listing, Page
from strava_assets.strava.rate_limits import Quota
from strava_assets.strava.request_budget import Budget
from strava_assets.strava.retries import ATTEMPTS
from strava_assets.strava.session import ApiSession
from strava_assets.strava.token_renewal import Access
from strava_assets.strava.tokens import Athlete, TokenStore, named_athlete

logger = logging.getLogger(__name__)


class StravaClient:
    """Strava's API for all athletes that are logged in; a context manager. Not to be shared between threads."""

    def __init__(self, tokens: TokenStore, access: Access, session: ApiSession, budget: Budget, clock: Clock) -> None:
        self._tokens = tokens
        self._access = access
        self._session = session
        self._budget = budget
        self._clock = clock
        self.left_out: list[AthleteError | ConfigurationError] = []
        """Of the tokens that the last call of `athletes` could not use, why."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections."""
        self._session.close()
        self._tokens.redis.close()

    @property
    def requests_made(self) -> int:
        """How many requests this client has sent to the API, retries included."""
        return self._session.requests_made

    def quota(self) -> Quota:
        """How much of the application's request windows all processes together have used."""
        return self._budget.quota()

    def athletes(self) -> list[Athlete]:
        """Who is logged in, each athlete once, the first one first.

        A token of the Airflow DAG, which does not say whose it is, costs one request the first time. If Strava
        refuses it, or a token cannot be read, that is raised when nobody else is logged in, and `left_out` otherwise.
        """
        athletes: dict[int, Athlete] = {}
        self.left_out = []
        keys = self._tokens.keys()
        for key in keys:
            try:
                if (token := self._tokens.load(key)) is not None:
                    athlete = token.athlete(key) or self._identify(key)
                    athletes.setdefault(athlete.id, athlete)
            except (AthleteError, ConfigurationError) as error:
                self.left_out.append(error)
                logger.warning("The token in %s is left out: %s", key, error)
        if self.left_out and not athletes:
            raise self.left_out[-1]
        return list(athletes.values())

    def identify_tokens(self) -> None:
        """Have each token say whose it is: one of the Airflow DAG costs a request. Raises what TokenStore.tokens and
        ApiSession.get do.
        """
        for key, token in self._tokens.tokens().items():
            if token.athlete_id is None:
                self._identify(key)

    def profile(self, athlete: Athlete) -> dict[str, Any]:
        """The athlete's profile, for one request; raises AccessRevoked or LoginLost if access is gone."""
        return self._profile(athlete.token_key)

    def require_login(self, athlete: Athlete) -> None:
        """Raise AthleteGone if the athlete was logged out or purged since `athletes` named them."""
        token = self._tokens.load(athlete.token_key)
        if token is None or token.athlete_id != athlete.id:
            raise AthleteGone("An athlete was logged out or purged meanwhile; what was fetched of them is not written.")

    def report_revocation(self, athlete: Athlete) -> None:
        """A webhook event says that the athlete withdrew access: note it, and ask Strava if it is the first.

        An event alone proves nothing. Raises AccessRevoked or LoginLost where Strava refuses the login as well.
        """
        if self._access.report_revocation(athlete.token_key):
            self._profile(athlete.token_key)

    def check_doubted_logins(self) -> int:
        """Ask Strava about each login that is in doubt and whose turn has come; how many those were."""
        due = [athlete for athlete in self.athletes() if self._access.is_check_due(athlete.token_key)]
        for athlete in due:
            with suppress(AthleteError):  # what Strava answered is recorded as evidence
                self._profile(athlete.token_key)
        return len(due)

    def now(self) -> datetime:
        """The time by the client's clock."""
        return self._clock.now()

    def activities(self, athlete: Athlete, window: Window | None, *, attempts: int = ATTEMPTS) -> Iterator[Page]:
        """The athlete's activities of the window, page by page, oldest first; everything if it is None.

        Each activity comes once, unless it changes during the listing: then the page that brings the changed
        version delivers it again, and the later one is right. An activity without a usable start gets the
        hour of the one listed before it. A page that fails is asked for up to `attempts` times. Raises ScopeMissing
        before the first request where Strava is known to hide activities from this login, otherwise what
        ApiSession.get raises.
        """
        listing = Listing(window, self._clock.now)
        while listing.request:
            yield listing.receive(self._page(athlete, listing.request.parameters(), attempts))

    def latest(self, athlete: Athlete, before: datetime) -> list[RawActivity]:
        """Up to a page of the athlete's activities that start before that moment, newest first, for one request.

        Raises what `activities` does.
        """
        return self._page(athlete, {"per_page": PER_PAGE, "before": ceil(before.timestamp())}, ATTEMPTS)

    def _page(self, athlete: Athlete, parameters: dict[str, str | int], attempts: int) -> list[RawActivity]:
        scopes = self._access.token(athlete.token_key).scopes
        if scopes is not None and NEEDED_SCOPE not in scopes:
            raise scope_missing(athlete.id)
        key = athlete.token_key
        found = self._session.get(key, "/athlete/activities", parameters, split_array, attempts=attempts)
        if found is None:
            raise ConfigurationError("Strava knows no GET /athlete/activities (404); check STRAVA_API_URL.")
        return found

    def activity(self, athlete: Athlete, activity_id: int) -> RawActivity | None:
        """One activity with all its details; None if it is gone or hidden from this login (404)."""
        return self._session.get(athlete.token_key, f"/activities/{activity_id}", {}, _single_activity)

    def _identify(self, key: str) -> Athlete:
        """Ask whose token this is, and save the answer into the token."""
        athlete = named_athlete(self._profile(key))
        with self._tokens.locked(key):
            token = self._tokens.load(key)
            if token is None:
                raise ConfigurationError(f"Nobody is logged in under {key} any more. Run: strava-assets login")
            token = token.updated({"athlete": athlete})
            self._tokens.replace(key, token)
        identified = token.athlete(key)
        if identified is None:
            raise ConfigurationError("GET /athlete was answered without an id; check STRAVA_API_URL.")
        return identified

    def _profile(self, key: str) -> dict[str, Any]:
        profile = self._session.get(key, "/athlete", {}, _profile)
        if profile is None:
            raise ConfigurationError("Strava knows no GET /athlete (404); check STRAVA_API_URL.")
        return profile


def _single_activity(text: str) -> RawActivity:
    activities = split_array(f"[{text}]")
    if len(activities) != 1:
        raise ValueError(f"one JSON object was expected, not {len(activities)}")
    return activities[0]


def _profile(text: str) -> dict[str, Any]:
    profile = _single_activity(text)
    if profile.id is None:
        raise ValueError("a JSON object with an id was expected")
    return profile.fields
