"""What was seen of an athlete's grant: refused tokens, a revocation event, a renewal whose answer never came.

One Redis hash beside each token, with hashes of tokens, never a token. Facts only; `strava.withdrawal` judges them.
A login or a renewal disproves all of it.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering


@dataclass(frozen=True)
class Evidence:
    """The facts about the tokens that are stored now. Moments are UTC; None where it was not seen."""

    event: datetime | None = None
    """A webhook event first reported that access was withdrawn."""
    api_refused: datetime | None = None
    """The API first refused, twice in a row, an access token that by its own date still lived."""
    api_refused_again: datetime | None = None
    """The API last refused it so. It has not taken it in between."""
    refused: datetime | None = None
    """The OAuth server first refused the refresh token."""
    refused_again: datetime | None = None
    """The OAuth server last refused the refresh token."""
    access_ended: bool = False
    """The access token is past its own date, so that the API can tell nothing."""
    renewal_may_be_lost: bool = False
    """A renewal was begun whose answer may have been lost: the refresh token may be void for that alone."""
    checks: int = 0
    last_check: datetime | None = None
    """How often Strava was asked since something was seen, and when last."""


class EvidenceStore:
    """Reads and writes evidence by the token's Redis key. Every method raises ServiceUnavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, token_key: str, *, access_token: str, refresh_token: str, access_ended: bool) -> Evidence:
        """What was seen of these tokens; what was seen of others that lay under the key before does not count."""
        with answering(self._redis):
            stored = self._redis.hgetall(_key(token_key))
        facts = {name.decode(): value.decode() for name, value in stored.items()}  # type: ignore[union-attr]
        is_access = facts.get("api_token") == _fingerprint(access_token)
        is_refresh = facts.get("refused_token") == _fingerprint(refresh_token)
        return Evidence(
            event=_moment(facts.get("event")),
            api_refused=_moment(facts.get("api_first", facts.get("api"))) if is_access else None,
            api_refused_again=_moment(facts.get("api")) if is_access else None,
            refused=_moment(facts.get("refused")) if is_refresh else None,
            refused_again=_moment(facts.get("refused_again")) if is_refresh else None,
            access_ended=access_ended,
            renewal_may_be_lost=facts.get("renewal") == _fingerprint(refresh_token),
            checks=int(facts.get("checks", 0)),
            last_check=_moment(facts.get("last_check")),
        )

    def begin_renewal(self, token_key: str, refresh_token: str) -> None:
        """Note that this refresh token is about to be used: Strava may void it with an answer that never arrives."""
        self._set(token_key, renewal=_fingerprint(refresh_token))

    def end_renewal(self, token_key: str) -> None:
        """Take that note away: it is certain that Strava renewed nothing."""
        with answering(self._redis):
            self._redis.hdel(_key(token_key), "renewal")

    def record_event(self, token_key: str, now: datetime) -> bool:
        """A webhook event reports that access was withdrawn; False where one did so before."""
        with answering(self._redis):
            return bool(self._redis.hsetnx(_key(token_key), "event", repr(now.timestamp())))

    def see_api_refusal(self, token_key: str, access_token: str, now: datetime) -> None:
        """The API refuses an access token that by its own date still lives; the first time is kept."""
        self._see_refused(token_key, access_token, now, whose="api_token", first="api_first", last="api")

    def see_api_acceptance(self, token_key: str) -> None:
        """The API takes the access token."""
        with answering(self._redis):
            self._redis.hdel(_key(token_key), "api", "api_first", "api_token")

    def record_refusal(self, token_key: str, refresh_token: str, now: datetime) -> None:
        """The OAuth server refuses the refresh token; the first time is kept."""
        names = {"whose": "refused_token", "first": "refused", "last": "refused_again"}
        self._see_refused(token_key, refresh_token, now, **names, checks="0")

    def count_check(self, token_key: str, now: datetime) -> None:
        """Strava was asked again, and its answer leaves things as unclear as before."""
        with answering(self._redis):
            self._redis.hincrby(_key(token_key), "checks", 1)
        self._set(token_key, last_check=repr(now.timestamp()))

    def disprove(self, token_key: str) -> None:
        """A renewal succeeded, or the athlete logged in: the grant lives, and nothing seen before counts."""
        with answering(self._redis):
            self._redis.delete(_key(token_key))

    def _see_refused(
        self, token_key: str, token: str, now: datetime, *, whose: str, first: str, last: str, **anew: str
    ) -> None:
        """Set the fact `last`, and of another token than before `whose`, `first` and `anew`, too: all or nothing."""
        moment, fingerprint = repr(now.timestamp()), _fingerprint(token)
        with answering(self._redis):
            is_same = self._redis.hget(_key(token_key), whose) == fingerprint.encode()
        self._set(token_key, **{last: moment}, **({} if is_same else {first: moment, whose: fingerprint, **anew}))

    def _set(self, token_key: str, **facts: str) -> None:
        with answering(self._redis):
            self._redis.hset(_key(token_key), items=[part for fact in facts.items() for part in fact])


def _key(token_key: str) -> str:
    return f"{keys.EVIDENCE}{token_key}"


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _moment(fact: str | None) -> datetime | None:
    return datetime.fromtimestamp(float(fact), UTC) if fact else None
