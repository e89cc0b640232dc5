"""Keeps tokens valid: renews them in their last hour, one process at a time, and saves them before they are used."""

from collections.abc import Callable
from datetime import timedelta

from strava_assets.errors import AccessRevoked, ConfigurationError, LoginLost, ServiceUnavailable, StravaUnavailable
from strava_assets.strava.api_errors import LOG_IN_AGAIN
from strava_assets.strava.clock import Clock
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import Token, TokenStore

RENEW_BEFORE = timedelta(minutes=30)
"""Strava gives a new access token only within the old one's last hour, so the margin is shorter than that."""

STILL_USABLE = timedelta(minutes=1)
"""A token with this much left is used where Strava's OAuth server is away."""

PAUSES_BEFORE_SAVING_AGAIN = (0.5, 1.0, 2.0, 4.0)
"""Seconds. A token that is not saved is lost, so Redis gets time to come back."""


class Access:
    """Hands out tokens that can be used. One object per process and application is enough."""

    def __init__(self, oauth: OAuth, tokens: TokenStore, clock: Clock) -> None:
        self._oauth = oauth
        self._tokens = tokens
        self._clock = clock

    def token(self, key: str) -> Token:
        """The token under `key`, renewed if it is about to expire.

        Raises ConfigurationError if nobody is logged in there, AccessRevoked or LoginLost if it cannot be renewed.
        """
        token = self._load(key)
        if self._is_fresh(token):
            return token
        try:
            return self._renew(key, self._is_fresh)
        except StravaUnavailable:
            if token.access_token and self._left(token) > STILL_USABLE:
                return token
            raise

    def instead_of(self, refused: Token, key: str) -> Token:
        """Another token for one that Strava refused: what another process renewed meanwhile, or a renewed one."""
        return self._renew(key, lambda token: token.access_token != refused.access_token)

    def _renew(self, key: str, is_good: Callable[[Token], bool]) -> Token:
        with self._tokens.locked(key):
            token = self._load(key)
            if is_good(token):
                return token
            if not token.refresh_token:
                raise LoginLost(
                    f"The token in {key} has ended and holds no refresh_token. {LOG_IN_AGAIN}", token.athlete_id
                )
            may_be_void = self._tokens.begin_renewal(key, token)
            try:
                answer = self._oauth.renew(token.refresh_token, token.athlete_id, may_be_void=may_be_void)
            except (AccessRevoked, LoginLost, ConfigurationError) as refusal:
                # A process that holds no lock, such as the old DAG's, may have renewed it meanwhile.
                if (now_stored := self._load(key)).refresh_token != token.refresh_token:
                    return now_stored
                if not may_be_void and not isinstance(refusal, LoginLost):
                    self._tokens.end_renewal(key)
                raise
            renewed = token.updated(answer)
            self._save(key, renewed, rotated=renewed.refresh_token != token.refresh_token)
            self._tokens.end_renewal(key)
            return renewed

    def _save(self, key: str, token: Token, *, rotated: bool) -> None:
        for pause in (*PAUSES_BEFORE_SAVING_AGAIN, None):
            try:
                saved = self._tokens.replace(key, token)
            except (ServiceUnavailable, ConfigurationError) as error:
                if pause is not None:
                    self._clock.sleep(pause)
                    continue
                if not rotated:
                    raise
                raise LoginLost(
                    f"Strava renewed the token in {key}, but Redis did not take it, and the old one "
                    f"is void. {LOG_IN_AGAIN}",
                    token.athlete_id,
                ) from error
            if not saved:
                raise ConfigurationError(
                    f"The token in {key} was removed while it was renewed: nobody is logged in there now."
                )
            return

    def _load(self, key: str) -> Token:
        if token := self._tokens.load(key):
            return token
        raise ConfigurationError(f"Nobody is logged in under {key} any more. Run: strava-assets login")

    def _is_fresh(self, token: Token) -> bool:
        """A token that names no end is used until Strava refuses it."""
        if not token.access_token:
            return False
        return not token.refresh_token or token.expires_at is None or self._left(token) > RENEW_BEFORE

    def _left(self, token: Token) -> timedelta:
        return (token.expires_at or self._clock.now()) - self._clock.now()
