"""One activity as Strava's API returned it: the exact text, and what is read out of it.

Parsing JSON and writing it again would change it: 50 becomes 50.0, a large number loses digits. So an
activity keeps the slice of the response that it came in, and only that slice is ever stored.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import isfinite
from typing import Any, NoReturn

import orjson

from strava_assets.hours import floor_to_hour
from strava_assets.raw.nesting import decode_deep, is_deeper_than_allowed

SOCIAL_COUNTERS = ("kudos_count", "comment_count", "has_kudoed")
"""Fields that other people change all the time; a change in these alone is not a change of the activity."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _number(spelled: str) -> float | str:
    number = float(spelled)
    return number if isfinite(number) else spelled  # 1e999: no infinity, which JSON and Postgres could not say


def _integer(spelled: str) -> int | float | str:
    try:
        return int(spelled)
    except ValueError:
        return _number(spelled)  # more digits than Python takes


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_number, parse_int=_integer)
_WHITESPACE = " \t\n\r"
_WITHOUT_COUNTERS = dict.fromkeys(SOCIAL_COUNTERS)
_SHA256 = hashlib.sha256()  # a copy of it takes half the time that OpenSSL needs for a new one
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class RawActivity:
    """An activity's JSON: `text` is the API's own spelling, `fields` is that text parsed."""

    text: str
    fields: dict[str, Any]
    is_too_deep: bool = False
    """Whether values are nested deeper than nesting.MAX_NESTING; `fields` then holds their text instead."""

    @property
    def id(self) -> int | None:
        """Strava's id, the only identity of an activity; None if the API sent no integer."""
        value = self.fields.get("id")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @cached_property
    def start(self) -> datetime | None:
        """When the activity started, in UTC; None if the API sent nothing that says so.

        Where `start_date` is unusable, the local time less the offset says the same moment.
        """
        try:
            return parse_utc(self.fields.get("start_date"))
        except ValueError:
            pass
        offset = self.fields.get("utc_offset")
        if isinstance(offset, bool) or not isinstance(offset, int | float):
            return None
        try:
            return parse_utc(self.fields.get("start_date_local")) - timedelta(seconds=offset)
        except (OverflowError, ValueError):
            return None

    @property
    def hour(self) -> datetime | None:
        """The partition of the activity: the UTC hour of its start."""
        return floor_to_hour(self.start) if self.start else None

    @property
    def digest(self) -> str:
        """A short hash of everything that the API returned of the activity but its social counters.

        Two answers with equal digests need no refresh. Field order and white space do not count.
        """
        if self.is_too_deep:
            return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        # Not kept: it is asked for once an activity, and to keep it would take a quarter of its time again.
        content = self.fields | _WITHOUT_COUNTERS
        try:
            spelled = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # integers beyond 64 bits, half of a surrogate pair: the standard library knows those
            spelled = _SORTED.encode(content).encode()
        digest = _SHA256.copy()
        digest.update(spelled)
        return digest.hexdigest()[:32]


def split_array(text: str) -> list[RawActivity]:
    """The activities in a JSON array of objects, each with its own exact text.

    Raises ValueError, with the position, if `text` is anything but one complete array of objects.
    """
    activities: list[RawActivity] = []
    at = _skip_whitespace(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError(f"a JSON array was expected, not {_glimpse(text[at:])}")
    at = _skip_whitespace(text, at + 1)
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            try:
                value, end = _decoder.raw_decode(text, at)
                is_too_deep = is_deeper_than_allowed(text, at, end)
            except RecursionError:
                is_too_deep = True
            if is_too_deep:
                value, end = decode_deep(text, at, _decoder)
            if not isinstance(value, dict):
                raise ValueError(f"element {len(activities)} of the array is not an object")
            activities.append(RawActivity(text[at:end], value, is_too_deep))
            at = _skip_whitespace(text, end)
            separator = text[at : at + 1]
            at += 1
            if separator == "]":
                break
            if separator != ",":
                raise ValueError(f"the array ends or breaks at character {at - 1}")
            at = _skip_whitespace(text, at)
    if text[at:].strip(_WHITESPACE):
        raise ValueError(f"there is more after the array's end at character {at}")
    return activities


def join_array(activities: Iterable[RawActivity]) -> str:
    """A JSON array of the activities' exact texts, one a line, in the order of their ids."""
    ordered = sorted(activities, key=lambda activity: (activity.id is None, activity.id or 0, activity.text))
    return "[" + ",\n".join(activity.text for activity in ordered) + "]"


def parse_utc(value: object) -> datetime:
    """The moment that one of Strava's date strings names, in UTC; ValueError if it names none."""
    if not isinstance(value, str):
        raise ValueError(f"a date was expected, not {type(value).__name__}")
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value!r} lies outside the calendar") from None


def _skip_whitespace(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITESPACE:
        at += 1
    return at


def _glimpse(text: str) -> str:
    return repr(text[:40]) if text else "nothing"


def activity_key(raw: RawActivity) -> int | str:
    """What identifies an activity, valid or not: its id where that fits the id column, else its digest."""
    return raw.digest if raw.id is None or not -(2**63) <= raw.id < 2**63 else raw.id
