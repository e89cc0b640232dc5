"""Webhook events: what Strava may post, what it means, and the Redis stream in which events wait.

An event is a reason to ask the API and nothing more: nothing about it proves who sent it, and events
get lost, repeated and reordered. https://developers.strava.com/docs/webhooks/
"""

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, NamedTuple, cast

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering

CAPACITY = 100_000
"""Events that wait at most; beyond it the oldest go, and the comparisons find what they announced."""

_OBJECT_TYPES = frozenset({"activity", "athlete"})
_ASPECTS = frozenset({"create", "update", "delete"})
_ID_LIMIT = 2**63
"""Ids are compared with a bigint column."""


class Meaning(Enum):
    """What an event asks to be done."""

    LOOK_UP = "the activity was created or changed"
    DELETED = "the activity was deleted, or hidden from this login"
    REVOKED = "the athlete withdrew access"
    NOTHING = "nothing that is kept here"


@dataclass(frozen=True)
class Event:
    """One event, without the change that it describes: a title never gets into Redis."""

    object_type: str
    aspect: str
    object_id: int
    owner_id: int
    time: int = 0
    """When it happened, in seconds since 1970; 0 where that does not matter any more."""
    revokes: bool = False

    @property
    def meaning(self) -> Meaning:
        """What to do about it."""
        if self.revokes:
            return Meaning.REVOKED
        if self.object_type != "activity":
            return Meaning.NOTHING
        return Meaning.DELETED if self.aspect == "delete" else Meaning.LOOK_UP

    @property
    def activity(self) -> tuple[int, int]:
        """The athlete and the activity that it is about."""
        return self.owner_id, self.object_id

    def to_json(self) -> str:
        """How the event lies in Redis."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Event":
        """The event that `to_json` wrote; ValueError if it is none."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"this is not an event: {error}") from None


class Posted(NamedTuple):
    """What was posted to the callback: an event, and the subscription that it claims to come from."""

    event: Event
    subscription_id: int


def posted(body: bytes) -> Posted:
    """Read a request's body. Raises ValueError, saying why, if Strava would not post that."""
    try:
        fields = json.loads(body)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("a JSON object was expected")
    updates = fields.get("updates")
    if updates is not None and not isinstance(updates, dict):
        raise ValueError("updates is not an object")
    object_type, aspect = _one_of(fields, "object_type", _OBJECT_TYPES), _one_of(fields, "aspect_type", _ASPECTS)
    # A string, by Strava's documentation; and an update, not a delete.
    revokes = (object_type, aspect) == ("athlete", "update") and str((updates or {}).get("authorized")) in {
        "false",
        "False",
    }
    event = Event(
        object_type,
        aspect,
        _integer(fields, "object_id"),
        _integer(fields, "owner_id"),
        _integer(fields, "event_time"),
        revokes,
    )
    return Posted(event, _integer(fields, "subscription_id"))


def _one_of(fields: dict[str, Any], name: str, known: frozenset[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is none of {', '.join(sorted(known))}")
    return value


def _integer(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _ID_LIMIT:
        raise ValueError(f"{name} is not a positive integer")
    return value


class Waiting(NamedTuple):
    """An event of the stream; None in place of an entry that is not an event of ours."""

    entry_id: str
    event: Event | None


class EventStream:
    """The events that wait in Redis, oldest first. The receiver writes them, the sensor drains them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def waiting(self, count: int) -> list[Waiting]:
        """The oldest events, at most `count`; they stay until they are settled."""
        return [Waiting(entry_id.decode(), _event(fields)) for entry_id, fields in self._entries(count)]

    def settle(self, entry_id: str) -> None:
        """Delete every event up to this one."""
        with answering(self._redis):
            # Not XTRIM MINID, which Redis knows since 6.2 only.
            while entries := self._redis.xrange(keys.EVENTS, max=entry_id, count=1000):
                self._redis.xdel(keys.EVENTS, *(each for each, _ in cast("list[tuple[bytes, object]]", entries)))

    def delete_athlete(self, owner_id: int) -> int:
        """Delete an athlete's events; how many there were."""
        events = ((entry_id, _event(fields)) for entry_id, fields in self._entries(None))
        of_owner = [entry_id for entry_id, event in events if event and event.owner_id == owner_id]
        with answering(self._redis):
            return int(self._redis.xdel(keys.EVENTS, *of_owner)) if of_owner else 0

    def _entries(self, count: int | None) -> list[tuple[bytes, dict[bytes, bytes]]]:
        with answering(self._redis):
            return cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(keys.EVENTS, count=count))


def _event(entry: dict[bytes, bytes]) -> Event | None:
    try:
        return Event.from_json(entry.get(b"event", b""))
    except ValueError:
        return None
