"""What Strava tells a webhook's subscriber, and how it gets there: late, lost, twice, in any order.

https://developers.strava.com/docs/webhooks/
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import requests

PATIENCE = 2.0
"""Seconds in which the subscriber must have answered."""
ATTEMPTS = 3
GATHERING = 0.05
"""Seconds in which events are gathered when their order is to be shuffled."""

Fields = Mapping[str, Any]


class Notice(NamedTuple):
    """What happened to an activity or an athlete, in an event's words."""

    aspect_type: str
    updates: dict[str, str]


def notices(before: Fields | None, after: Fields | None, *, sees_all: bool) -> list[Notice]:
    """What is reported of an activity that was `before` and is `after` now; None where it did not or does not exist.

    Only title, type and privacy are reported. Without activity:read_all a private activity does not exist.
    """
    if not sees_all:
        before, after = (None if each and each.get("private") else each for each in (before, after))
    if before is None or after is None:
        return [Notice("create", {})] if after is not None else [Notice("delete", {})] if before is not None else []
    watched = {"title": "name", "type": "type", "private": "private"}
    updates = {
        name_in_event: _as_text(after.get(name))
        for name_in_event, name in watched.items()
        if before.get(name) != after.get(name)
    }
    return [Notice("update", updates)] if updates else []


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Events:
    """Posts events from a thread of its own: up to three attempts each, then the event is gone."""

    def __init__(self, seed: int) -> None:
        self.lose = 0.0
        """Share of the events that are never sent (True: all)."""
        self.repeat = 0.0
        """Share of the events that are sent twice."""
        self.reorder = False
        """Whether events of one moment arrive in any order."""
        self.retry_after = 0.2
        """Seconds before another attempt; Strava waits for minutes."""
        self.delivered: list[dict[str, Any]] = []
        """The events that were answered with 200."""
        self._chance = random.Random(seed)
        self._waiting: list[tuple[Callable[[], str | None], dict[str, Any]]] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def send(self, callback_url: Callable[[], str | None], event: dict[str, Any]) -> None:
        """Send an event soon, to where the subscription (None: ended) points by then."""
        with self._lock:
            if self._chance.random() < self.lose:
                return
            copies = 2 if self._chance.random() < self.repeat else 1
            self._waiting += [(callback_url, event)] * copies
            if self._thread is None:
                self._thread = threading.Thread(target=self._post_all, daemon=True)
                self._thread.start()

    def wait(self, seconds: float = 10.0) -> None:
        """Return once nothing waits to be sent; TimeoutError if that takes longer than `seconds`."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
            if thread.is_alive():
                raise TimeoutError(f"{len(self._waiting)} events still wait to be sent.")

    def _post_all(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # a proxy would not find the loopback
            while True:
                if self.reorder:
                    time.sleep(GATHERING)
                with self._lock:
                    if not self._waiting:
                        self._thread = None
                        return
                    at = self._chance.randrange(len(self._waiting)) if self.reorder else 0
                    callback_url, event = self._waiting.pop(at)
                self._post(session, callback_url, event)

    def _post(self, session: requests.Session, callback_url: Callable[[], str | None], event: dict[str, Any]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            if (url := callback_url()) is None:
                return
            try:
                answer = session.post(url, json=event, timeout=PATIENCE, allow_redirects=False)
                if answer.status_code == 200:
                    self.delivered.append(event)
                    return
            except requests.RequestException:
                pass  # as unanswered as any other
            if attempt < ATTEMPTS:
                time.sleep(self.retry_after * attempt)
