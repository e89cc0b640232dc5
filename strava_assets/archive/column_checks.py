"""What a column holds, whatever it is called: the checks that a table of activities has to pass."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from strava_assets.archive.dates import parse_dates
from strava_assets.archive.values import LARGEST_WHOLE_NUMBER, is_true, number, number_for_people

REQUIRED_SHARE = 0.95
"""Of the rows in which the columns are filled, how many have to be as they should."""

UNITS = (1000.0, 1.0, 1852.0, 1609.344)
"""Metres in one of the distance for people: kilometres; metres of swims; nautical miles of sails; miles."""

SMALLEST_GEAR_ID = 1000

_ID = re.compile("[1-9][0-9]{0,18}")
_FILE = re.compile(r"activities/[^/]+")
Rows = Sequence[Sequence[str]]
Holds = Callable[..., bool | None]


@dataclass(frozen=True)
class Share:
    """Of the rows that could show something, how many hold."""

    filled: int
    holding: int

    @property
    def is_enough(self) -> bool:
        """Whether hardly any row contradicts; also where none says anything."""
        return self.holding >= REQUIRED_SHARE * self.filled

    @property
    def is_one_exception(self) -> bool:
        """Whether a single row contradicts: in a short table that is a row to reject, not a wrong column."""
        return self.filled - self.holding == 1 and self.holding > 0

    @property
    def is_evidence(self) -> bool:
        """Whether rows say so, and hardly any contradicts."""
        return self.filled > 0 and self.is_enough


def share(rows: Rows, columns: Sequence[int], holds: Holds) -> Share:
    """How often `holds` is true of the columns' cells, where all of them are filled.

    A row does not count where `holds` gives None, and does not hold where it raises ValueError.
    """
    found = [_holds(holds, cells) for row in rows if all(cells := [row[column] for column in columns])]
    counted = [each for each in found if each is not None]
    return Share(len(counted), sum(counted))


def _holds(holds: Holds, cells: Iterable[str]) -> bool | None:
    try:
        return holds(*cells)
    except ValueError:
        return False


def are_dates(rows: Rows, column: int) -> Share:
    """Whether the column holds dates."""
    moments = parse_dates([row[column] for row in rows if row[column]])
    return Share(len(moments), len(moments) - moments.count(None))


def is_id(cell: str) -> bool:
    """Whether it can be the id of an activity or an athlete, in the one way to write it."""
    return bool(_ID.fullmatch(cell)) and int(cell) <= LARGEST_WHOLE_NUMBER


def is_file(cell: str) -> bool:
    """Whether it can be the name of a track, or says that there is none."""
    return cell == "#error#" or bool(_FILE.fullmatch(cell))


def is_word_for_commute(cell: str) -> bool:
    """Whether it is a yes or no as the first column of commutes has it, untranslated."""
    return cell.casefold() in {"true", "false"}


def is_media(cell: str) -> bool:
    """Whether it names pictures or films."""
    return cell.startswith("media/")


def is_gear(cell: str) -> bool:
    """Whether it can be the id of a bike or of shoes."""
    return (number(cell) or 0.5).is_integer() and (number(cell) or 0) >= SMALLEST_GEAR_ID


def is_same_number(first: str, second: str) -> bool | None:
    """Whether both are the same number; a second is lost where one of the two is whole."""
    one, other = number_for_people(first) or 0, number(second) or 0
    return None if one == other == 0 else abs(one - other) <= 1  # many columns are 0 throughout


def is_same_truth(first: str, second: str) -> bool | None:
    """Whether both say the same yes or no."""
    if second not in {"0.0", "1.0"}:
        return False
    return None if second == "0.0" and not is_true(first) else is_true(first) == is_true(second)


def is_same_distance(for_people: str, metres: str) -> bool | None:
    """Whether the first is the second in a unit that people read, cut to two decimals."""
    shown, exact = number_for_people(for_people) or 0, number(metres) or 0
    if exact == 0:
        return None  # says nothing of the unit
    return any(abs(shown * unit - exact) <= max(0.02 * exact, 0.011 * unit) for unit in UNITS)


def is_converted_distance(for_people: str, metres: str) -> bool | None:
    """As `is_same_distance`, where another unit shows that it is a distance and no other number that is there twice."""
    return None if is_same_number(for_people, metres) is not False else is_same_distance(for_people, metres)


def is_distance(metres: str, speed: str, seconds: str) -> bool | None:
    """Whether a distance is the speed times the time."""
    distance, expected = number(metres) or 0, (number(speed) or 0) * (number(seconds) or 0)
    if expected == 0:
        return None  # what was entered by hand may have a distance and no speed
    return abs(distance - expected) <= 0.02 * distance + 5


def is_at_most(smaller: str, larger: str) -> bool:
    """Whether a number is not larger than the other."""
    return (number(smaller) or 0) <= (number(larger) or 0)


def is_moving_time(moving: str, elapsed: str) -> bool:
    """Whether it is a time in whole seconds, and not longer than the other."""
    seconds = number(moving) or 0.0
    return seconds.is_integer() and seconds <= (number(elapsed) or 0)
