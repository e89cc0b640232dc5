"""Keeps tokens valid: renews them in their last hour, one process at a time, and saves them before they are used.

What is refused is recorded as evidence; `withdrawal` judges it, and a withdrawal that is proven is marked here,
whoever asked.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import requests

from strava_assets.errors import (
    AthleteError,
    AthleteGone,
    ConfigurationError,
    LoginLost,
    RefreshTokenRefused,
    ServiceUnavailable,
    StravaAssetsError,
    StravaUnavailable,
    TokenBusy,
)
from strava_assets.state.access_evidence import Evidence, EvidenceStore
from strava_assets.state.revocations import Revocations
from strava_assets.strava.api_errors import LOG_IN_AGAIN
from strava_assets.strava.clock import Clock
from strava_assets.strava.held_back_signals import uninterrupted
from strava_assets.strava.oauth import EXCHANGE, OAuth, was_not_renewed
from strava_assets.strava.retries import TryAgain, repeat
from strava_assets.strava.tokens import LOCK_LIFETIME, Token, TokenStore
from strava_assets.strava.withdrawal import Verdict, is_due, judge, refusal, seen

RENEW_BEFORE = timedelta(minutes=30)
"""Strava gives a new access token only within the old one's last hour, so the margin is shorter than that."""

STILL_USABLE = timedelta(minutes=1)
"""A token with this much left is used where it cannot be renewed now."""

RENEWED_JUST_NOW = timedelta(minutes=15)
"""A token renewed within this time is not renewed because the API refuses it: that would stake it for nothing."""

LOCK_WAIT = LOCK_LIFETIME + 10

PAUSE_BEFORE_SAVING_AGAIN = 1.0
"""Seconds. A token that is not saved is lost, so Redis gets as long as the lock lives."""


class Access:
    """Hands out tokens that can be used. One object per process and application is enough."""

    def __init__(self, oauth: OAuth, tokens: TokenStore, clock: Clock, *, lock_wait: float = LOCK_WAIT) -> None:
        """`lock_wait` is for how many seconds to wait while another process renews the same token."""
        self._oauth = oauth
        self._tokens = tokens
        self._evidence = EvidenceStore(tokens.redis)
        self._revocations = Revocations(tokens.redis)
        self._clock = clock
        self._lock_wait = lock_wait
        self._renewed: dict[str, datetime] = {}
        self._suspected: set[str] = set()
        """Keys of tokens of which something was seen, so that what the API says of them matters."""

    def token(self, key: str) -> Token:
        """The token under `key`, renewed if it is about to expire.

        Raises ConfigurationError if nobody is logged in there; AccessRevoked, LoginLost or TokenBusy if there is no
        token to use. What is in doubt is asked again at growing intervals only, and the error is remembered.
        """
        token = self._load(key)
        evidence = self._seen(key, token)
        if evidence.event or evidence.api_refused or evidence.refused:
            self._suspected.add(key)
        is_due_now = is_due(evidence, self._clock.now())
        if self._is_fresh(token) and evidence.api_refused and is_due_now:
            return token  # first the API shall say whether it still refuses
        if self._is_fresh(token) and not evidence.api_refused and not evidence.renewal_may_be_lost:
            return token
        is_usable = bool(token.access_token) and self._left(token) > STILL_USABLE and not evidence.api_refused
        try:
            if (evidence.refused or evidence.api_refused) and not is_due_now:
                raise self._refusal(token, evidence)
            return self._renew(
                key,
                lambda stored: self._is_fresh(stored) and stored.fields != token.fields,
                0 if is_usable else self._lock_wait,
            )
        except (StravaUnavailable, LoginLost, TokenBusy):
            if is_usable:
                return token
            raise

    def instead_of(self, refused: Token, key: str) -> Token:
        """Another token for one that the API refused twice: what another process renewed meanwhile, or a renewed one.

        A token that was renewed a moment ago is not renewed again. Raises what `token` raises.
        """
        if self._left(refused) > timedelta(0):
            self._evidence.see_api_refusal(key, refused.access_token, self._clock.now())
        if (renewed := self._renewed.get(key)) and self._clock.now() - renewed < RENEWED_JUST_NOW:
            return self._load(key)
        return self._renew(key, lambda token: token.access_token != refused.access_token, self._lock_wait)

    def record_acceptance(self, token: Token, key: str) -> None:
        """The API took the token, so it does not refuse it any more. What else was seen, only a renewal disproves."""
        if key not in self._suspected:
            return
        evidence, now = self._seen(key, token), self._clock.now()
        if evidence.api_refused:
            self._evidence.see_api_acceptance(key)
        if evidence.refused:
            # The grant lives, and yet its refresh token is void: the one that replaced it was lost.
            self._evidence.begin_renewal(key, token.refresh_token)
        elif evidence.event and is_due(evidence, now):
            self._evidence.count_check(key, now)

    def report_revocation(self, key: str) -> bool:
        """A webhook event says that access was withdrawn; True for the first since the grant was proven to live."""
        return self._evidence.record_event(key, self._clock.now())

    def is_check_due(self, key: str) -> bool:
        """Whether the grant is in doubt, and Strava is to be asked about it now."""
        evidence = self._seen(key, self._load(key))
        return judge(evidence) is not Verdict.LIVES and is_due(evidence, self._clock.now())

    def _renew(self, key: str, is_good: Callable[[Token], bool], wait: float) -> Token:
        with self._tokens.locked(key, wait):
            started = time.monotonic()
            token = self._load(key)
            if is_good(token):
                return token
            evidence = self._seen(key, token)
            if evidence.refused and not is_due(evidence, self._clock.now()):
                raise self._refusal(token, evidence)
            if not token.refresh_token:
                raise LoginLost(
                    f"The token in {key} has ended and holds no refresh_token. {LOG_IN_AGAIN}", token.athlete_id
                )
            try:
                renewed = repeat(EXCHANGE, lambda: self._renew_once(key, token, started), self._clock)
            except RefreshTokenRefused:
                # A process that holds no lock, such as the Airflow DAG's, may have renewed it meanwhile.
                if (now_stored := self._load(key)).refresh_token != token.refresh_token:
                    return now_stored
                raise self._see_refusal(key, token) from None
            self._renewed[key] = self._clock.now()
            return renewed

    def _renew_once(self, key: str, token: Token, started: float) -> Token:
        """Renew and save the token, all of it or nothing, whatever signal arrives meanwhile."""
        with uninterrupted():
            may_be_lost = self._seen(key, token).renewal_may_be_lost
            self._evidence.begin_renewal(key, token.refresh_token)
            try:
                answer = self._oauth.renew(token.refresh_token, token.athlete_id)
            except (StravaAssetsError, TryAgain, requests.RequestException) as error:
                if not may_be_lost and (isinstance(error, StravaAssetsError) or was_not_renewed(error)):
                    self._evidence.end_renewal(key)
                raise
            renewed = token.updated(answer)
            self._save(key, renewed, started, rotated=renewed.refresh_token != token.refresh_token)
            self._evidence.disprove(key)
            if renewed.athlete_id is not None:
                self._revocations.unmark(renewed.athlete_id)
            return renewed

    def _see_refusal(self, key: str, token: Token) -> AthleteError:
        """Record that the OAuth server refuses the refresh token, and mark the athlete if that proves a withdrawal."""
        now = self._clock.now()
        self._evidence.record_refusal(key, token.refresh_token, now)
        self._evidence.count_check(key, now)
        evidence = self._seen(key, token)
        if token.athlete_id is not None and judge(evidence) is Verdict.WITHDRAWN:
            self._revocations.mark(token.athlete_id, now)
        return self._refusal(token, evidence)

    def _refusal(self, token: Token, evidence: Evidence) -> AthleteError:
        return refusal(token, evidence, self._clock.now())

    def _save(self, key: str, token: Token, started: float, *, rotated: bool) -> None:
        """Store the token, trying for as long as this process' lock of it lives: nobody else has it."""
        waited = 0.0
        while True:
            try:
                saved = self._tokens.replace(key, token)
            except (ServiceUnavailable, ConfigurationError) as error:
                if max(time.monotonic() - started, waited) < LOCK_LIFETIME - PAUSE_BEFORE_SAVING_AGAIN:
                    self._clock.sleep(PAUSE_BEFORE_SAVING_AGAIN)
                    waited += PAUSE_BEFORE_SAVING_AGAIN
                    continue
                if not rotated:
                    raise
                raise LoginLost(
                    f"Strava renewed the token in {key}, but Redis did not take it, and the old one "
                    f"is void. {LOG_IN_AGAIN}",
                    token.athlete_id,
                ) from error
            if not saved:
                raise AthleteGone(
                    f"The token in {key} was deleted while it was renewed: nobody is logged in there now."
                )
            return

    def _load(self, key: str) -> Token:
        if token := self._tokens.load(key):
            return token
        raise AthleteGone(f"Nobody is logged in under {key} any more. Run: strava-assets login")

    def _seen(self, key: str, token: Token) -> Evidence:
        return seen(self._evidence, key, token, self._clock.now())

    def _is_fresh(self, token: Token) -> bool:
        """A token that names no end is used until Strava refuses it."""
        if not token.access_token:
            return False
        return not token.refresh_token or token.expires_at is None or self._left(token) > RENEW_BEFORE

    def _left(self, token: Token) -> timedelta:
        return (token.expires_at or self._clock.now()) - self._clock.now()
