"""An object's JSON taken apart and put together again without touching the spelling of its values.

`json.loads` followed by `json.dumps` would make 50.00 into 50.0 and \\u00e9 into another spelling of é.
"""

import json
from collections.abc import Mapping
from typing import Any

_decoder = json.JSONDecoder()
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def split_object(text: str) -> dict[str, str]:
    """The fields of a valid JSON object, each value as its exact text."""
    fields: dict[str, str] = {}
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        name, end = _decoder.raw_decode(text, at)
        start = _next(text, text.index(":", end) + 1)
        _, end = _decoder.raw_decode(text, start)
        fields[name] = text[start:end]
        at = _next(text, end)
        if text[at] == ",":
            at = _next(text, at + 1)
    return fields


def join_object(fields: Mapping[str, str]) -> str:
    """The object whose values are spelled like that."""
    return "{" + ",".join(f"{spell(name)}:{value}" for name, value in fields.items()) + "}"


def changed(text: str, fields: Mapping[str, Any]) -> str:
    """The object with some fields changed, or removed where the new value is `...`; the others keep their spelling."""
    spelled = split_object(text)
    for name, value in fields.items():
        if value is ...:
            spelled.pop(name, None)
        else:
            spelled[name] = spell(value)
    return join_object(spelled)


def spell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as compact JSON; ValueError for NaN and the like, which no API sends."""
    return _encoder.encode(value)


def _next(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
