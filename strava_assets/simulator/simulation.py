"""The simulated Strava's state: athletes, activities, tokens, the subscription. Thread-safe.

Everything that a test wants to change has a method here; control.py offers the same over HTTP.
"""

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.simulator.accounts import Account
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.clock import Clock
from strava_assets.simulator.events import Events, Notice, notices
from strava_assets.simulator.exact_json import changed, spell
from strava_assets.simulator.faults import Faults
from strava_assets.simulator.history import history, years_before
from strava_assets.simulator.limits import RateLimits
from strava_assets.simulator.tokens import READ_ALL, Grant, Tokens

ALL_SCOPES = ("read", READ_ALL, "profile:read_all")
FIRST_UPLOADED_ID = 154_504_250_376_823
"""What is uploaded by hand gets ids as large as the example in Strava's OpenAPI file, far above the history's."""


@dataclass(frozen=True)
class Request:
    """One request that was made, for tests to look at."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    time: float


class Simulation:
    """A Strava with one API application."""

    def __init__(
        self, *, client_id: str = "1", client_secret: str | None = None, seed: int = 1, latency: float = 0.0
    ) -> None:
        """A Strava without athletes. `latency` is what every API request takes, in seconds."""
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_hex(20)
        self.seed = seed
        self.latency = latency
        self.clock = Clock()
        self.limits = RateLimits()
        self.faults = Faults(seed)
        self.events = Events(seed)
        self.tokens = Tokens(self.clock)
        self.requests: list[Request] = []
        self.accounts: dict[int, Account] = {}
        self.subscription: dict[str, Any] | None = None
        self.includes_bounds = False
        """Whether activities that start at the very second of `after` or `before` are listed: not documented."""
        self.on_request: Callable[[str], None] | None = None
        """Called before a request is answered, with its path: lets a test change a page under the pager."""
        self.on_change: Callable[[], None] = lambda: None
        self.lock = threading.RLock()
        self._last_id = FIRST_UPLOADED_ID - 1

    @property
    def access_tokens(self) -> dict[str, Grant]:
        """The access tokens that were given out."""
        return self.tokens.access

    def now(self) -> datetime:
        """The simulation's time."""
        return self.clock.now()

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.clock.advance(seconds)

    def add_athlete(
        self, athlete_id: int = 42, *, years: float = 0, per_year: int = 300, name: str = "Ada Runner"
    ) -> Account:
        """An athlete with a history of that many years; without activities by default."""
        first, _, last = name.partition(" ")
        account = Account(athlete_id, first, last)
        with self.lock:
            self.accounts[athlete_id] = account
            if years:
                self._live(account, years_before(self.now(), years), per_year)
        self.on_change()
        return account

    def continue_history(self, per_year: int = 300) -> None:
        """Add what every athlete has done since their newest activity: time went on while nobody looked."""
        with self.lock:
            for account in self.accounts.values():
                ordered = account.ordered()
                newest = ordered[-1][0] if ordered else years_before(self.now(), 1).timestamp()
                since = datetime.fromtimestamp(newest, self.now().tzinfo) + timedelta(seconds=1)
                self._live(account, since, per_year)

    def add_activity(self, athlete_id: int, *, text: str | None = None, **fields: Any) -> int:  # noqa: ANN401 - JSON
        """Upload an activity, given by its fields or by its exact JSON `text`; its id.

        A field of `...` is left out. Without a usable id it is kept under an id of the simulation's own, without
        a usable start it counts as started now.
        """
        with self.lock:
            now = strava_time(self.now())
            new = {"id": self._next_id(), "resource_state": 2, "athlete": {"id": athlete_id, "resource_state": 1}}
            new |= {"name": "Run", "type": "Run", "sport_type": "Run", "start_date": now, "start_date_local": now}
            new |= {"distance": 1000.5, "moving_time": 300, "elapsed_time": 320, "private": False}
            raw = _parsed(text if text is not None else changed(spell(new), fields))
            activity_id = raw.id if raw.id is not None else self._next_id()
            self.accounts[athlete_id].put(activity_id, raw, start=self.clock.time() // 1)
        self._changed_activity(athlete_id, activity_id, None, raw)
        return activity_id

    def edit(self, activity_id: int, *, text: str | None = None, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Change fields of an activity (or all of its `text`); a field of `...` is removed, others keep their spelling.

        The activity stays the one with this id, whatever its fields say.
        """
        with self.lock:
            account = self._owner(activity_id)
            before = account.activities[activity_id]
            after = _parsed(text if text is not None else changed(before.text, fields))
            account.put(activity_id, after)
        self._changed_activity(account.id, activity_id, before, after)

    def delete(self, activity_id: int) -> None:
        """Delete an activity."""
        with self.lock:
            account = self._owner(activity_id)
            before = account.activities[activity_id]
            account.remove(activity_id)
        self._changed_activity(account.id, activity_id, before, None)

    def activities(self, athlete_id: int) -> list[dict[str, Any]]:
        """The truth: every activity of the athlete, oldest first."""
        with self.lock:
            account = self.accounts[athlete_id]
            return [account.activities[key].fields for _, key in account.ordered()]

    def grant(self, athlete_id: int | None = None, scopes: Iterable[str] = ALL_SCOPES) -> dict[str, Any]:
        """A token as if the athlete (the first, if none is named) had just logged in, with `athlete` in it."""
        account = self.accounts[athlete_id if athlete_id is not None else next(iter(self.accounts))]
        token = self.tokens.issue(account.id, frozenset(scopes))
        self.on_change()
        return {**token, "athlete": {"id": account.id, "firstname": account.firstname, "lastname": account.lastname}}

    def refresh(self, refresh_token: str) -> dict[str, Any] | None:
        """Renew a token; None if the refresh token is void."""
        renewed = self.tokens.renew(refresh_token)
        self.on_change()
        return renewed

    def revoke(self, athlete_id: int) -> None:
        """End every token of the athlete, as they can on Strava's settings page."""
        had_access = self.tokens.scopes_of(athlete_id) is not None
        self.tokens.revoke(athlete_id)
        self.on_change()
        if had_access:
            self._tell("athlete", athlete_id, athlete_id, Notice("update", {"authorized": "false"}))

    def listed(self, grant: Grant, *, after: int | None, before: int | None, page: int, per_page: int) -> list[str]:
        """A page of the athlete's activities as JSON texts: newest first, but oldest first once `after` is given."""
        with self.lock:
            found = self.accounts[grant.athlete_id].page(
                after=after,
                before=before,
                page=page,
                per_page=per_page,
                with_private=grant.sees_all,
                with_bounds=self.includes_bounds,
            )
        return [_visible(each, grant) for each in found]

    def single(self, grant: Grant, activity_id: int) -> str | None:
        """One activity as JSON text, None if it is gone or not to be seen with this token."""
        with self.lock:
            found = self.accounts[grant.athlete_id].activities.get(activity_id)
        if found is None or (found.fields.get("private") and not grant.sees_all):
            return None
        return _visible(found, grant)

    def _live(self, account: Account, start: datetime, per_year: int) -> None:
        lived = history(account.id, start=start, end=self.now(), per_year=per_year, seed=self.seed)
        for new in lived:
            if new["id"] not in account.activities:
                raw = RawActivity(spell(new), new)
                account.put(new["id"], raw)
                self._changed_activity(account.id, new["id"], None, raw, is_saved_later=True)
        account.ordered()  # now, not during the first request
        self.on_change()

    def _next_id(self) -> int:
        self._last_id += 1
        while any(self._last_id in account.activities for account in self.accounts.values()):
            self._last_id += 1
        return self._last_id

    def _owner(self, activity_id: int) -> Account:
        for account in self.accounts.values():
            if activity_id in account.activities:
                return account
        raise KeyError(f"There is no activity {activity_id}.")

    def _changed_activity(
        self,
        athlete_id: int,
        activity_id: int,
        before: RawActivity | None,
        after: RawActivity | None,
        *,
        is_saved_later: bool = False,
    ) -> None:
        if not is_saved_later:
            self.on_change()
        scopes = self.tokens.scopes_of(athlete_id)
        if scopes is None or self.subscription is None:
            return
        was, is_now = before.fields if before else None, after.fields if after else None
        for notice in notices(was, is_now, sees_all=READ_ALL in scopes):
            self._tell("activity", activity_id, athlete_id, notice)

    def _tell(self, object_type: str, object_id: int, owner_id: int, notice: Notice) -> None:
        if (subscription := self.subscription) is None:
            return
        event = {
            "object_type": object_type,
            "object_id": object_id,
            "aspect_type": notice.aspect_type,
            "updates": notice.updates,
            "owner_id": owner_id,
            "subscription_id": subscription["id"],
            "event_time": int(self.clock.time()),
        }
        self.events.send(lambda: (self.subscription or {}).get("callback_url"), event)


def _parsed(text: str) -> RawActivity:
    return split_array(f"[{text}]")[0]


def _visible(activity: RawActivity, grant: Grant) -> str:
    if grant.sees_all or not activity.fields.get("start_latlng"):
        return activity.text
    return changed(activity.text, {"start_latlng": [], "end_latlng": []})  # the privacy zone is cut out
