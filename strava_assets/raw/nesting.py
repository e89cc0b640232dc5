"""JSON that is nested deeper than a parser follows, read without recursion, so that it costs its own activity only.

How deep Python's parser gets depends on the stack it is called from; here the limit is always the same.
"""

import json
import re
from functools import lru_cache
from typing import Any

MAX_NESTING = 100
"""Levels within one activity. Strava's have four; orjson takes 254, Python's parser somewhat less than 1,000."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


def is_deeper_than_allowed(text: str, start: int, end: int) -> bool:
    """Whether the JSON value in `text[start:end]` is nested deeper than MAX_NESTING."""
    # Counting alone tells it of nearly every activity, in a fraction of the time.
    if text.count("[", start, end) + text.count("{", start, end) <= MAX_NESTING:
        return False
    depth = deepest = 0
    for token in _STRING_OR_BRACKET.finditer(text, start, end):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest > MAX_NESTING


def decode_deep(text: str, at: int, decoder: json.JSONDecoder) -> tuple[Any, int]:
    """What `decoder.raw_decode` returns of a container, but members that are nested too deeply become their text.

    Raises ValueError where the text is no JSON. Time and memory grow with the length alone.
    """

    @lru_cache(maxsize=1024)
    def check(fragment: str) -> None:
        decoder.decode(fragment)

    openers: list[str] = []
    members: list[str] = []  # the container's own text, with each member that is a container shortened if need be
    copied = segment = member = at
    deepest = 0
    follows_member = False
    for token in _STRING_OR_BRACKET.finditer(text, at):
        mark = token[0]
        if mark.startswith('"'):
            continue
        if openers:
            # What stands between two brackets is JSON if it is so with 0 for the containers around it.
            before = openers[-1] + (('"":0' if openers[-1] == "{" else "0") if follows_member else "")
            after = "0" + _CLOSING[openers[-1]] if mark in _CLOSING else mark
            check(before + text[segment : token.start()] + after)
        segment = token.end()
        follows_member = mark not in _CLOSING
        if mark in _CLOSING:
            openers.append(mark)
            deepest = max(deepest, len(openers))
            if len(openers) == 2:  # noqa: PLR2004 - a member of the outermost one
                member, deepest = token.start(), 2
            continue
        if not openers:
            break
        openers.pop()
        if len(openers) == 1 and deepest > MAX_NESTING:
            members += (text[copied:member], json.dumps(text[member:segment]))
            copied = segment
        if not openers:
            return decoder.decode("".join((*members, text[copied:segment]))), segment
    raise ValueError(f"the JSON at character {at} breaks or ends early")
