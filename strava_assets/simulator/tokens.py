"""Codes, access tokens and rotating refresh tokens of the simulated Strava.

https://developers.strava.com/docs/authentication/
"""

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from strava_assets.simulator.clock import Clock

ACCESS_LIFETIME, RENEWED_WITHIN, CODE_LIFETIME = 6 * 3600, 3600, 600
"""Seconds: an access token lives six hours; asked for again it changes only in its last one."""

READ_ALL = "activity:read_all"


@dataclass(frozen=True)
class Grant:
    """What an access token, or a login's code, is good for, and until when (seconds since 1970)."""

    athlete_id: int
    scopes: frozenset[str]
    expires_at: float

    @property
    def sees_all(self) -> bool:
        """Whether "Only You" activities and privacy zones are shown."""
        return READ_ALL in self.scopes


class Tokens:
    """Every code and token that was given out and is good still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self.codes: dict[str, Grant] = {}
        self.access: dict[str, Grant] = {}
        self.refresh: dict[str, tuple[int, frozenset[str], str]] = {}
        """Athlete, scopes and the access token that belongs to each refresh token."""

    def new_code(self, athlete_id: int, scopes: frozenset[str]) -> str:
        """A code for one login."""
        code = secrets.token_hex(20)
        self.codes[code] = Grant(athlete_id, scopes, self._clock.time() + CODE_LIFETIME)
        return code

    def redeem(self, code: str) -> Grant | Literal["invalid", "expired"]:
        """What a code is good for, once; else Strava's word for what is wrong with it."""
        found = self.codes.pop(code, None)
        if found is None:
            return "invalid"
        return found if found.expires_at > self._clock.time() else "expired"

    def issue(self, athlete_id: int, scopes: Iterable[str], access: str | None = None) -> dict[str, Any]:
        """A new refresh token, with a new access token or with one that is good for a while still."""
        with self._lock:
            access = access or secrets.token_hex(20)
            known = self.access.get(access)
            expires = known.expires_at if known else self._clock.time() + ACCESS_LIFETIME
            self.access[access] = Grant(athlete_id, frozenset(scopes), expires)
            refresh = secrets.token_hex(20)
            self.refresh[refresh] = (athlete_id, frozenset(scopes), access)
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_at": int(expires),
            "expires_in": int(expires - self._clock.time()),
            "scope": " ".join(sorted(scopes)),
        }

    def renew(self, refresh_token: str) -> dict[str, Any] | None:
        """The refresh token is void at once; the access token changes in its last hour only. None: not a good one."""
        with self._lock:
            if (found := self.refresh.pop(refresh_token, None)) is None:
                return None
            self._drop_expired()
            athlete_id, scopes, access = found
            known = self.access.get(access)
            lives_on = known is not None and known.expires_at - self._clock.time() > RENEWED_WITHIN
            return self.issue(athlete_id, scopes, access if lives_on else None)

    def grant_of(self, access_token: str) -> Grant | None:
        """What a token is good for; None if it is unknown or expired."""
        grant = self.access.get(access_token)
        return grant if grant and grant.expires_at > self._clock.time() else None

    def athlete_of(self, token: str) -> int | None:
        """Whose access or refresh token it is."""
        if grant := self.access.get(token):
            return grant.athlete_id
        return self.refresh[token][0] if token in self.refresh else None

    def scopes_of(self, athlete_id: int) -> frozenset[str] | None:
        """All that the athlete has granted; None if the application has no access."""
        granted = [scopes for owner, scopes, _ in list(self.refresh.values()) if owner == athlete_id]
        return frozenset().union(*granted) if granted else None

    def revoke(self, athlete_id: int) -> None:
        """End every token of the athlete."""
        with self._lock:
            self.access = {key: each for key, each in self.access.items() if each.athlete_id != athlete_id}
            self.refresh = {key: each for key, each in self.refresh.items() if each[0] != athlete_id}

    def _drop_expired(self) -> None:
        now = self._clock.time()
        self.access = {key: each for key, each in self.access.items() if each.expires_at > now}
