"""The dates of an export: UTC, spelled as the account's language and the year of the export had it.

`Jul 4, 2021, 6:24:11 PM`, `09.12.2022, 15:24:49`, `9. jun. 2026, 17.09.50`, `28 août 2026, 17:33:44`,
`2018-09-12 15:02:23`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from strava_assets.archive.wording import lower, months

_MORNING = "午前|오전|上午|凌晨|清晨|早上|π\\.?μ\\.?|\\bpg\\b"
_AFTERNOON = "午後|오후|下午|中午|晚上|μ\\.?μ\\.?|\\bptg\\b"
_DAY_PERIOD = re.compile(rf"\b([ap])\.?\s?m\b\.?|({_MORNING})|({_AFTERNOON})")
_OTHER_DAY_PERIOD = re.compile(r"\s*(?!uhr|utc|gmt|z\b|h\b)[^\W\d][^\d]*")
"""A word after the time, at the end: perhaps a day period in a language that is not known."""
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")
_MONTHS = 12
_HOURS_OF_A_HALF_DAY = 12


class Written(NamedTuple):
    """A date as it is written: its numbers, before it is known which is the day where the month has no name."""

    numbers: tuple[int, ...]
    month: int | None
    time: tuple[int, int, int]
    is_month_first: bool
    """What the spelling suggests where both could be: only the United States write 7/4/2021, and they write PM."""
    has_other_word: bool
    """Whether a word follows the time that is not understood."""


def parse_dates(cells: Sequence[str]) -> list[datetime | None]:
    """The moment of each cell; None for those that name none.

    Whether 3/4/2021 is in March or in April is decided by all cells together: a number above 12 is no month. So is
    whether a word after the time may be the half of the day, in a language in which that is not known.
    """
    written = [_written(cell) for cell in cells]
    if not any(each and not 0 < each.time[0] <= _HOURS_OF_A_HALF_DAY for each in written):
        written = [None if each and each.has_other_word else each for each in written]
    undecided = [each.numbers for each in written if each and each.month is None and len(each.numbers) == 3]  # noqa: PLR2004
    day_first = sum(first > _MONTHS for first, _, year in undecided if first <= 31 < year)  # noqa: PLR2004
    month_first = sum(second > _MONTHS for first, second, year in undecided if first <= 31 < year)  # noqa: PLR2004
    return [each and _moment(each, month_first > day_first if day_first or month_first else None) for each in written]


@lru_cache(maxsize=2**14)  # each is asked for when the columns are checked, and when the rows are read
def _written(cell: str) -> Written | None:
    text = lower(cell)
    period = _DAY_PERIOD.search(text)
    text = _DAY_PERIOD.sub(" ", text)
    month = next((months()[word] for word in _WORD.findall(text) if word in months()), None)
    if time := _TIME.search(text):
        hour, minute, second = (int(each or 0) for each in time.groups())
        numbers = [int(each) for each in _NUMBER.findall(text[: time.start()] + " " + text[time.end() :])]
    else:  # Danish and Finnish: 17.09.50
        *numbers, hour, minute, second = (0, 0, 0, *(int(each) for each in _NUMBER.findall(text)))
        numbers = numbers[3:]
    has_other_word = bool(time and not period and _OTHER_DAY_PERIOD.fullmatch(text, time.end()))
    if period and hour <= _HOURS_OF_A_HALF_DAY:
        is_afternoon = period[1] == "p" or bool(period[3])
        hour = hour % 12 + 12 * is_afternoon
    if len(numbers) != (3 if month is None else 2):
        return None
    is_month_first = bool(period) and "/" in text
    return Written(tuple(numbers), month, (hour, minute, second), is_month_first, has_other_word)


def _moment(written: Written, is_month_first: bool | None) -> datetime | None:  # noqa: FBT001 - a private helper
    first, *rest = written.numbers
    if written.month is not None:
        year, day = (first, rest[0]) if first > 31 else (rest[0], first)  # noqa: PLR2004
        month = written.month
    elif first > 31:  # noqa: PLR2004
        year, month, day = first, rest[0], rest[1]
    else:
        day, month, year = first, rest[0], rest[1]
        if is_month_first if is_month_first is not None else written.is_month_first:
            day, month = month, day
    try:
        return datetime(year if year > 99 else 2000 + year, month, day, *written.time, tzinfo=UTC)  # noqa: PLR2004
    except ValueError:
        return None
