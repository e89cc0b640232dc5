"""Numbers as the export writes them.

The columns for people follow the account's language (`9,72`, `1.500`); all others are written with a point.
"""

import re
from math import isfinite

_GROUPING = re.compile(r"[\s'\u2019]")
_FOR_PEOPLE = re.compile(r"-?\d+(?:[.,]\d{3})*(?:[.,]\d{1,2})?")
LARGEST_WHOLE_NUMBER = 2**63 - 1
"""What the tables can hold."""

_SEPARATOR = re.compile(r"[.,]")


def number(cell: str) -> float | None:
    """A number of the columns with a decimal point; None where there is none, ValueError where it is no number."""
    if not cell:
        return None
    value = float(cell)
    if not isfinite(value):
        raise ValueError(f"{cell!r} is not a finite number")
    return value


def whole_number(cell: str) -> int | None:
    """As `number`, rounded: the export writes whole seconds as `1428.0`."""
    value = number(cell)
    if value is not None and abs(value) > LARGEST_WHOLE_NUMBER:
        raise ValueError(f"{cell!r} is too large")
    return None if value is None else round(value)


def is_true(cell: str) -> bool | None:
    """A yes or no, written as `true`, `false`, `1.0` or `0.0`; None where there is none, else ValueError."""
    if not cell:
        return None
    if cell.casefold() in {"true", "false"}:
        return cell.casefold() == "true"
    return bool(number(cell))


def number_for_people(cell: str) -> float | None:
    """A number with the signs of any language; ValueError where it is none.

    It is cut to two decimals at most, so three digits after a sign are thousands.
    """
    written = _GROUPING.sub("", cell)
    if not written:
        return None
    if not _FOR_PEOPLE.fullmatch(written):
        return number(written)
    *groups, last = _SEPARATOR.split(written)
    if not groups:
        return float(last)
    if len(last) == 3:  # noqa: PLR2004 - a group of thousands
        return float("".join([*groups, last]))
    return float(f"{''.join(groups)}.{last}")
