"""The dates of an export: UTC, spelled as the account's language and the year of the export had it.

`Jul 4, 2021, 6:24:11 PM`, `09.12.2022, 15:24:49`, `9. jun. 2026, 17.09.50`, `28 août 2026, 17:33:44`,
`2018-09-12 15:02:23`.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from strava_assets.archive.wording import months

_MORNING = ("am", "午前", "오전", "上午", "凌晨", "清晨", "早上")
_AFTERNOON = ("pm", "午後", "오후", "下午", "中午", "晚上")
_DAY_PERIOD = re.compile(rf"\b([ap])\.?\s?m\b\.?|({'|'.join(_MORNING[1:])})|({'|'.join(_AFTERNOON[1:])})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")
_MONTHS = 12


class Written(NamedTuple):
    """A date as it is written: its numbers, before it is known which is the day where the month has no name."""

    numbers: tuple[int, ...]
    month: int | None
    time: tuple[int, int, int]
    is_month_first: bool
    """What the spelling suggests where both could be: only the United States write 7/4/2021, and they write PM."""


def parse_dates(cells: Sequence[str]) -> list[datetime | None]:
    """The moment of each cell; None for those that name none.

    Whether 3/4/2021 is in March or in April is decided by all cells together: a number above 12 is no month.
    """
    written = [_written(cell) for cell in cells]
    undecided = [each.numbers for each in written if each and each.month is None and len(each.numbers) == 3]  # noqa: PLR2004
    day_first = sum(first > _MONTHS for first, _, year in undecided if first <= 31 < year)  # noqa: PLR2004
    month_first = sum(second > _MONTHS for first, second, year in undecided if first <= 31 < year)  # noqa: PLR2004
    return [each and _moment(each, month_first > day_first if day_first or month_first else None) for each in written]


@lru_cache(maxsize=2**14)  # each is asked for when the columns are checked, and when the rows are read
def _written(cell: str) -> Written | None:
    text = unicodedata.normalize("NFKC", cell).casefold()
    period = _DAY_PERIOD.search(text)
    text = _DAY_PERIOD.sub(" ", text)
    month = next((months()[word] for word in _WORD.findall(text) if word in months()), None)
    if time := _TIME.search(text):
        hour, minute, second = (int(each or 0) for each in time.groups())
        numbers = [int(each) for each in _NUMBER.findall(text[: time.start()] + " " + text[time.end() :])]
    else:  # Danish and Finnish: 17.09.50
        *numbers, hour, minute, second = (0, 0, 0, *(int(each) for each in _NUMBER.findall(text)))
        numbers = numbers[3:]
    if period and hour <= _MONTHS:
        is_afternoon = period[1] == "p" or bool(period[3])
        hour = hour % 12 + 12 * is_afternoon
    if len(numbers) != (3 if month is None else 2):
        return None
    return Written(tuple(numbers), month, (hour, minute, second), is_month_first=bool(period) and "/" in text)


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
