"""The simulated Strava's state: athletes, their activities as exact JSON text, tokens. Thread-safe."""

import bisect
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from strava_assets.raw_activity import RawActivity, split_array
from strava_assets.simulator.clock import Clock
from strava_assets.simulator.faults import Faults
from strava_assets.simulator.history import history, said_moment, years_before
from strava_assets.simulator.limits import RateLimits

ALL_SCOPES = ("read", "activity:read_all", "profile:read_all")
TOKEN_LIFETIME, RENEWED_WITHIN = 6 * 3600, 3600
"""Seconds: an access token lives six hours; asked for again it changes only in its last one."""

Listener = Callable[[str, int, int, dict[str, str]], None]
"""Told of events as webhooks are: aspect (create, update, delete), object id, owner, what changed."""


@dataclass
class Account:
    """One athlete and their activities."""

    id: int
    firstname: str
    lastname: str
    activities: dict[int, RawActivity] = field(default_factory=dict)
    by_start: list[tuple[float, int]] | None = None

    def ordered(self) -> list[tuple[float, int]]:
        """Start (seconds since 1970) and id of every activity, oldest first; those without a start come first."""
        if self.by_start is None:
            self.by_start = sorted(
                (each.start.timestamp() if each.start else 0.0, key) for key, each in self.activities.items()
            )
        return self.by_start


@dataclass(frozen=True)
class Grant:
    """What a token is good for."""

    athlete_id: int
    scopes: frozenset[str]
    expires_at: float


@dataclass(frozen=True)
class Request:
    """One request that was made, for tests to look at."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    time: float


class Simulation:
    """A Strava with its API applications' one application. Everything a test wants to change has a method."""

    def __init__(
        self, *, client_id: str = "1", client_secret: str | None = None, seed: int = 1, latency: float = 0.0
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_hex(20)
        self.seed = seed
        self.latency = latency
        self.clock = Clock()
        self.limits = RateLimits()
        self.faults = Faults(seed)
        self.requests: list[Request] = []
        self.accounts: dict[int, Account] = {}
        self.access_tokens: dict[str, Grant] = {}
        self.refresh_tokens: dict[str, tuple[int, frozenset[str], str]] = {}
        self.codes: dict[str, tuple[int, frozenset[str], float]] = {}
        self.subscription: dict[str, Any] | None = None
        self.listeners: list[Listener] = []
        self.on_request: Callable[[str], None] | None = None
        """Called before a request is answered, with its path: lets a test change a page under the pager."""
        self.on_change: Callable[[], None] = lambda: None
        self.lock = threading.RLock()
        self._ids = iter(range(154_504_250_376_823, 2**53))

    def now(self) -> datetime:
        """The simulation's time."""
        return self.clock.now()

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.clock.advance(seconds)

    def add_athlete(
        self, athlete_id: int = 42, *, years: float = 0, per_year: int = 300, name: str = "Ada Runner"
    ) -> Account:
        """An athlete with so many years of history, and no activities by default."""
        first, _, last = name.partition(" ")
        account = Account(athlete_id, first, last)
        with self.lock:
            self.accounts[athlete_id] = account
            if years:
                start = years_before(self.now(), years)
                self._add_all(
                    account, history(athlete_id, start=start, end=self.now(), per_year=per_year, seed=self.seed)
                )
        self.on_change()
        return account

    def continue_history(self, per_year: int = 300) -> None:
        """Add what every athlete has done since their newest activity: time went on while nobody looked."""
        for account in self.accounts.values():
            ordered = account.ordered()
            newest = (
                datetime.fromtimestamp(ordered[-1][0], self.now().tzinfo) if ordered else years_before(self.now(), 1)
            )
            if (self.now() - newest).days >= 2:
                more = history(account.id, start=newest, end=self.now(), per_year=per_year, seed=self.seed)
                self._add_all(account, more)
        self.on_change()

    def add_activity(self, athlete_id: int, *, text: str | None = None, **fields: Any) -> int:  # noqa: ANN401 - JSON
        """Upload an activity, given by its fields or by its exact JSON `text`; its id."""
        with self.lock:
            now = said_moment(self.now())
            said = {"id": next(self._ids), "resource_state": 2, "athlete": {"id": athlete_id, "resource_state": 1}}
            said |= {"name": "Run", "type": "Run", "sport_type": "Run", "start_date": now, "start_date_local": now}
            said |= {"distance": 1000.5, "moving_time": 300, "elapsed_time": 320, "private": False, **fields}
            raw = split_array(f"[{text or json.dumps(said)}]")[0]
            activity_id = raw.id if raw.id is not None else next(self._ids)
            self._put(athlete_id, activity_id, raw)
        self._tell("create", activity_id, athlete_id, {})
        return activity_id

    def edit(self, activity_id: int, *, text: str | None = None, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Change fields of an activity (or all of its `text`); a field of `...` is removed."""
        with self.lock:
            account = self._owner(activity_id)
            said = {**account.activities[activity_id].fields, **fields}
            said = {name: value for name, value in said.items() if value is not ...}
            self._put(account.id, activity_id, split_array(f"[{text or json.dumps(said)}]")[0])
        changed = {"title" if name == "name" else name: str(value).lower() for name, value in fields.items()}
        if told := {name: value for name, value in changed.items() if name in {"title", "type", "private"}}:
            self._tell("update", activity_id, account.id, told)

    def delete(self, activity_id: int) -> None:
        """Delete an activity."""
        with self.lock:
            account = self._owner(activity_id)
            del account.activities[activity_id]
            account.by_start = None
        self._tell("delete", activity_id, account.id, {})

    def activities(self, athlete_id: int) -> list[dict[str, Any]]:
        """The truth: every activity of the athlete, oldest first."""
        with self.lock:
            account = self.accounts[athlete_id]
            return [account.activities[key].fields for _, key in account.ordered()]

    def grant(self, athlete_id: int | None = None, scopes: Iterable[str] = ALL_SCOPES) -> dict[str, Any]:
        """A token as if the athlete had just logged in, with `athlete` in it."""
        account = self.accounts[athlete_id if athlete_id is not None else next(iter(self.accounts))]
        token = self.issue(account.id, frozenset(scopes))
        return {**token, "athlete": {"id": account.id, "firstname": account.firstname, "lastname": account.lastname}}

    def issue(self, athlete_id: int, scopes: frozenset[str], access: str | None = None) -> dict[str, Any]:
        """A new refresh token, with a new access token or the one that is good for a while still."""
        with self.lock:
            access = access or secrets.token_hex(20)
            known = self.access_tokens.get(access)
            expires = known.expires_at if known else self.clock.time() + TOKEN_LIFETIME
            self.access_tokens[access] = Grant(athlete_id, scopes, expires)
            refresh = secrets.token_hex(20)
            self.refresh_tokens[refresh] = (athlete_id, scopes, access)
        self.on_change()
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_at": int(expires),
            "expires_in": int(expires - self.clock.time()),
            "scope": " ".join(sorted(scopes)),
        }

    def refresh(self, refresh_token: str) -> dict[str, Any] | None:
        """Renew a token: the refresh token is void at once, the access token changes in its last hour only."""
        with self.lock:
            if (found := self.refresh_tokens.pop(refresh_token, None)) is None:
                return None
            athlete_id, scopes, access = found
            known = self.access_tokens.get(access)
            lives_on = known is not None and known.expires_at - self.clock.time() > RENEWED_WITHIN
            return self.issue(athlete_id, scopes, access if lives_on else None)

    def revoke(self, athlete_id: int) -> None:
        """End every token of the athlete, as they can on Strava's settings page."""
        with self.lock:
            self.access_tokens = {
                key: each for key, each in self.access_tokens.items() if each.athlete_id != athlete_id
            }
            self.refresh_tokens = {key: each for key, each in self.refresh_tokens.items() if each[0] != athlete_id}
        self._tell("deauthorize", athlete_id, athlete_id, {"authorized": "false"})

    def grant_of(self, access_token: str) -> Grant | None:
        """What a token is good for; None if it is unknown or expired."""
        grant = self.access_tokens.get(access_token)
        return grant if grant and grant.expires_at > self.clock.time() else None

    def listed(self, grant: Grant, *, after: int | None, before: int | None, page: int, per_page: int) -> list[str]:
        """A page of the athlete's activities as JSON texts: newest first, but oldest first once `after` is given."""
        with self.lock:
            account = self.accounts[grant.athlete_id]
            ordered = account.ordered()
            first = bisect.bisect_right(ordered, (float(after), 2**63)) if after is not None else 0
            last = bisect.bisect_left(ordered, (float(before), -(2**63))) if before is not None else len(ordered)
            keys = [key for _, key in ordered[first:last]]
            if "activity:read_all" not in grant.scopes:
                keys = [key for key in keys if not account.activities[key].fields.get("private")]
            if after is None:
                keys.reverse()
            chosen = keys[(page - 1) * per_page : page * per_page]
            return [self._visible(account.activities[key], grant) for key in chosen]

    def single(self, grant: Grant, activity_id: int) -> str | None:
        """One activity as JSON text, None if it is gone or not to be seen with this token."""
        with self.lock:
            found = self.accounts[grant.athlete_id].activities.get(activity_id)
            is_hidden = found and found.fields.get("private") and "activity:read_all" not in grant.scopes
            return None if found is None or is_hidden else self._visible(found, grant)

    def _visible(self, activity: RawActivity, grant: Grant) -> str:
        if "activity:read_all" in grant.scopes or not activity.fields.get("start_latlng"):
            return activity.text
        return json.dumps({**activity.fields, "start_latlng": [], "end_latlng": []})  # the privacy zone is cut out

    def _add_all(self, account: Account, said: Iterable[dict[str, Any]]) -> None:
        for each in said:
            account.activities[each["id"]] = split_array(f"[{json.dumps(each, ensure_ascii=False)}]")[0]
        account.by_start = None

    def _put(self, athlete_id: int, activity_id: int, raw: RawActivity) -> None:
        account = self.accounts[athlete_id]
        account.activities[activity_id] = raw
        account.by_start = None

    def _owner(self, activity_id: int) -> Account:
        return next(account for account in self.accounts.values() if activity_id in account.activities)

    def _tell(self, aspect: str, object_id: int, owner: int, changed: dict[str, str]) -> None:
        self.on_change()
        for listener in list(self.listeners):
            listener(aspect, object_id, owner, changed)
