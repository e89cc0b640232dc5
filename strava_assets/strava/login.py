"""A login: what the redirect from Strava says, and the token it leads to. The terminal's part is cli/login.py.

https://developers.strava.com/docs/authentication/
"""

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from strava_assets.errors import AthleteError, PermanentError, ScopeMissing
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.state.revocations import Revocations
from strava_assets.strava.api_errors import NEEDED_SCOPE
from strava_assets.strava.client import StravaClient
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import FIRST_KEY, Athlete, Token, TokenStore, further_key, named_athlete


@dataclass(frozen=True)
class Grant:
    """What the athlete granted: a code that works once, and the scopes, where the redirect names them."""

    code: str = field(repr=False)
    scopes: frozenset[str] | None


class ForeignRedirect(PermanentError):
    """A redirect that does not belong to this login; whoever sent it must not end it."""


@dataclass(frozen=True)
class Login:
    """One login in progress. `url` is the page on which the athlete grants access."""

    redirect_uri: str
    url: str
    state: str = field(repr=False)

    @classmethod
    def begin(cls, oauth: OAuth, redirect_uri: str) -> "Login":
        """Start a login that ends at `redirect_uri`, on this machine: Strava allows localhost and 127.0.0.1 always."""
        state = secrets.token_urlsafe(24)
        return cls(redirect_uri, oauth.authorize_url(redirect_uri, state), state)

    def grant(self, redirected_url: str) -> Grant:
        """Read the URL to which Strava sent the browser.

        Raises ForeignRedirect where it is no redirect of this login, ScopeMissing where the athlete did not
        grant what is needed, PermanentError where access was declined.
        """
        _, _, query_text = redirected_url.strip().partition("?")
        query = {name: values[-1] for name, values in parse_qs(query_text.partition("#")[0]).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), self.state.encode()):
            raise ForeignRedirect(
                "That URL does not belong to this login: its state differs. Paste the whole address the browser shows "
                "after you granted access, or start again: strava-assets login"
            )
        if error := query.get("error"):
            raise PermanentError(_declined(error))
        scopes = frozenset(filter(None, re.split(r"[\s,]+", query["scope"]))) if "scope" in query else None
        _require_scope(scopes)
        if not query.get("code"):
            raise ForeignRedirect("That URL holds no code of Strava's. Start again: strava-assets login")
        return Grant(query["code"], scopes)


def complete(grant: Grant, oauth: OAuth, tokens: TokenStore, client: StravaClient) -> Athlete:
    """Exchange the code for a token and store it: in the athlete's own place if known, else beside the others.

    Raises ScopeMissing, with nothing stored, where Strava names fewer scopes than are needed.
    """
    # A token of the Airflow DAG does not say whose it is. If Strava does not say so either, it is void, and makes room.
    with suppress(AthleteError):
        client.identify_tokens()
    answer = oauth.exchange(grant.code)
    if grant.scopes and not answer.get("scope"):
        answer["scope"] = sorted(grant.scopes)
    _require_scope(Token(answer).scopes)
    profile = answer.get("athlete")
    answer["athlete"] = named_athlete(profile if isinstance(profile, Mapping) else {})
    athlete_id = Token(answer).athlete_id
    if athlete_id is None:
        raise PermanentError("Strava's answer does not say who logged in; nothing was stored.")
    return _store(answer, athlete_id, tokens)


def _store(answer: Mapping[str, Any], athlete_id: int, tokens: TokenStore) -> Athlete:
    known = tokens.tokens()
    key = next((key for key, token in known.items() if token.athlete_id == athlete_id), None)
    if key is None:
        first = known.get(FIRST_KEY)
        key = FIRST_KEY if first is None or first.athlete_id is None else further_key(athlete_id)
    with tokens.locked(key):
        before = tokens.load(key)
        token = before.updated(answer) if before and before.athlete_id == athlete_id else Token(answer)
        tokens.save(key, token)
        # Whoever comes back must not be purged for having left.
        EvidenceStore(tokens.redis).disprove(key)
        Revocations(tokens.redis).unmark(athlete_id)
    return Athlete(athlete_id, token.athlete_name, key, token.expires_at, token.scopes)


def _require_scope(scopes: frozenset[str] | None) -> None:
    if scopes is not None and NEEDED_SCOPE not in scopes:
        raise ScopeMissing(
            f"{NEEDED_SCOPE} was not granted, so private activities would be missing; nothing was stored. Run "
            "strava-assets login again and leave its box ticked."
        )


def _declined(error: str) -> str:
    if error == "access_denied":
        return "Access was declined on Strava's page; nothing was stored."
    return f"Strava ended the login with {error[:60]!r}; nothing was stored."
