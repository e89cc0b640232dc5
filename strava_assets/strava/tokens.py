"""The athletes' OAuth tokens in Redis: under which key each lies, what is in it, and the lock to renew it.

The first athlete's token lies under STRAVA_TOKEN, as the old Airflow DAG left it: a JSON object as
requests-oauthlib gives it. Fields that are not known here are kept. Further athletes have STRAVA_TOKEN:{id}.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from redis import Redis
from redis.lock import Lock

from strava_assets.errors import ConfigurationError, ServiceUnavailable, TokenBusy
from strava_assets.state import keys
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.state.connection import address, answering

FIRST_KEY = keys.TOKEN

_FURTHER_KEY = re.compile(rf"{FIRST_KEY}:\d+")

LOCK_LIFETIME = 240.0
"""Seconds after which the lock of a process that died is free again; longer than any renewal can take."""


def further_key(athlete_id: int) -> str:
    """Where the token of an athlete lies who is not the first one."""
    return f"{FIRST_KEY}:{athlete_id}"


@dataclass(frozen=True)
class Athlete:
    """Somebody who is logged in. `scopes` is None while Strava has not named what was granted."""

    id: int
    name: str | None
    token_key: str
    expires_at: datetime | None
    scopes: frozenset[str] | None


@dataclass(frozen=True)
class Token:
    """An OAuth token with all its fields. Its `repr` shows none of them."""

    fields: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, text: str | bytes, key: str) -> "Token":
        """Read what lies under `key`. Raises ConfigurationError if it is no JSON object with a token in it."""
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise ConfigurationError(
                f"The Redis key {key} holds no JSON object. Delete the key, then run: strava-assets login"
            )
        if not any(isinstance(fields.get(name), str) and fields[name] for name in ("access_token", "refresh_token")):
            raise ConfigurationError(
                f"The Redis key {key} holds neither an access_token nor a refresh_token. "
                "Delete the key, then run: strava-assets login"
            )
        return cls(fields)

    def to_json(self) -> str:
        """The token as it is stored."""
        return json.dumps(self.fields)

    def updated(self, answer: Mapping[str, Any]) -> "Token":
        """The token with what Strava's answer says; every other field stays."""
        return Token({**self.fields, **answer})

    @property
    def access_token(self) -> str:
        """What the API is asked with; empty if there is none yet."""
        return _text(self.fields.get("access_token"))

    @property
    def refresh_token(self) -> str:
        """What a new access token is asked for with; empty if there is none."""
        return _text(self.fields.get("refresh_token"))

    @cached_property
    def expires_at(self) -> datetime | None:
        """When the access token ends; None if the token does not say so."""
        try:
            return datetime.fromtimestamp(float(self.fields["expires_at"]), UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return None

    @property
    def athlete_id(self) -> int | None:
        """Whose token it is; None in a token of the Airflow DAG that was never identified."""
        athlete = self.fields.get("athlete")
        value = athlete.get("id") if isinstance(athlete, dict) else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def athlete_name(self) -> str | None:
        """The athlete's first and last name, if Strava returned them."""
        athlete = self.fields.get("athlete")
        names = [athlete.get("firstname"), athlete.get("lastname")] if isinstance(athlete, dict) else []
        return " ".join(name for name in names if isinstance(name, str) and name) or None

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the athlete granted. Strava writes it with spaces or commas, oauthlib as a list; None if unknown."""
        scope = self.fields.get("scope")
        if isinstance(scope, str):
            scope = re.split(r"[\s,]+", scope)
        if not isinstance(scope, list):
            return None
        return frozenset(name for name in scope if isinstance(name, str) and name) or None

    def athlete(self, key: str) -> Athlete | None:
        """Who is logged in with this token; None while that is unknown."""
        if self.athlete_id is None:
            return None
        return Athlete(self.athlete_id, self.athlete_name, key, self.expires_at, self.scopes)


def named_athlete(profile: Mapping[str, Any]) -> dict[str, Any]:
    """What of an athlete's profile is kept in the token: the id and the name, nothing else."""
    return {name: profile[name] for name in ("id", "firstname", "lastname") if profile.get(name) is not None}


class TokenStore:
    """Reads and writes tokens in Redis. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def keys(self) -> list[str]:
        """The keys that hold a token: the first athlete's, then the others' by id."""
        with answering(self.redis):
            names = [_as_text(name) for name in self.redis.scan_iter(match=f"{FIRST_KEY}*", count=1000)]
        further = sorted({name for name in names if _FURTHER_KEY.fullmatch(name)}, key=lambda name: (len(name), name))
        return [FIRST_KEY, *further] if FIRST_KEY in names else further

    def load(self, key: str) -> Token | None:
        """The token under `key`, None if there is none. Raises ConfigurationError if it cannot be read."""
        with answering(self.redis):
            value = self.redis.get(key)
        if not isinstance(value, str | bytes):
            return None
        token = Token.from_json(value, key)
        if token.athlete_id is None and key != FIRST_KEY:
            token = token.updated({"athlete": {"id": int(key.rpartition(":")[2])}})
        return token

    def first_athlete(self) -> int | None:
        """Whose token lies where the Airflow DAG left its own, which does not say whose it is: that comes with
        `StravaClient.athletes`."""
        token = self.load(FIRST_KEY)
        return token.athlete_id if token else None

    def save(self, key: str, token: Token) -> None:
        """Store the token under `key`."""
        with answering(self.redis):
            self.redis.set(key, token.to_json())

    def replace(self, key: str, token: Token) -> bool:
        """Store the token under `key` if one is there still; False if it was deleted meanwhile."""
        with answering(self.redis):
            return bool(self.redis.set(key, token.to_json(), xx=True))

    def delete(self, key: str) -> None:
        """Delete the token under `key`, if there is one, and what was seen of it."""
        with answering(self.redis):
            self.redis.delete(key)
        EvidenceStore(self.redis).disprove(key)

    def tokens(self) -> dict[str, Token]:
        """Every token by its key, the first athlete's first. Raises ConfigurationError if one cannot be read."""
        return {key: token for key in self.keys() if (token := self.load(key)) is not None}

    def readable_tokens(self) -> dict[str, Token]:
        """Every token that can be read, by its key: one that cannot must not stop the other athletes."""
        stored, readable = self.keys(), dict[str, Token]()
        for key in stored:
            with suppress(ConfigurationError):
                if (token := self.load(key)) is not None:
                    readable[key] = token
        return readable

    def athletes(self) -> list[Athlete]:
        """Who is known to be logged in, each athlete once, without asking Strava.

        A token that does not say whose it is, is left out; StravaClient.athletes asks.
        """
        athletes: dict[int, Athlete] = {}
        for key, token in self.readable_tokens().items():
            if athlete := token.athlete(key):
                athletes.setdefault(athlete.id, athlete)
        return list(athletes.values())

    def delete_athlete(self, athlete_id: int) -> list[str]:
        """Delete every token of the athlete, after a renewal that is under way; returns the keys."""
        keys = [key for key, token in self.tokens().items() if token.athlete_id == athlete_id]
        for key in keys:
            with self.locked(key):
                self.delete(key)
        return keys

    @contextmanager
    def locked(self, key: str, wait: float = LOCK_LIFETIME + 10) -> Iterator[None]:
        """Hold the token's lock: Strava voids a refresh token once it was used, so only one process may use it.

        Whoever dies with the lock loses it after LOCK_LIFETIME. Raises TokenBusy if others hold it for longer than
        `wait` seconds.
        """
        lock = self.redis.lock(
            f"{keys.TOKEN_LOCK}{key}", timeout=LOCK_LIFETIME, blocking_timeout=wait, thread_local=False
        )
        with answering(self.redis):
            acquired = lock.acquire()
        if not acquired:
            raise TokenBusy(
                f"The token in {key} is being renewed by another process, or by one that died; its lock in Redis at "
                f"{address(self.redis)} ends within {LOCK_LIFETIME / 60:.0f} minutes. Try again then."
            )
        try:
            yield
        finally:
            self._release(lock)

    def _release(self, lock: Lock) -> None:
        try:
            with answering(self.redis):
                lock.release()
        except ServiceUnavailable:
            # It expires automatically, and what was done under it is done: no reason to fail.
            return


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _as_text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
