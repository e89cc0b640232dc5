"""From a line of `activities.csv` to a row of `strava_activity`, and to all its columns by canonical name."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from strava_assets.archive.column_checks import is_file, is_id
from strava_assets.archive.dates import parse_dates
from strava_assets.archive.sports import sport_type
from strava_assets.archive.table import Line, Table
from strava_assets.archive.values import is_true, number, number_for_people, whole_number
from strava_assets.archive.wording import header_names
from strava_assets.mirror.activity import Activity, checked

Value = TypeVar("Value")

METRES = 1000.0
JOULES = 1000.0
IN_OTHER_UNITS = {"Swim", "Sail"}
"""Sports whose distance for people is in metres or nautical miles."""

_NUMBERS = {
    "max_speed": "max_speed",
    "average_speed": "average_speed",
    "total_elevation_gain": "elevation_gain",
    "elev_low": "elevation_low",
    "elev_high": "elevation_high",
    "average_cadence": "average_cadence",
    "average_heartrate": "average_heart_rate",
    "average_watts": "average_watts",
    "max_watts": "max_watts",
    "weighted_average_watts": "weighted_average_power",
}
"""Columns of the table that are the export's as they are, in the same unit."""


@dataclass(frozen=True)
class ArchivedActivity:
    """What an export says of an activity."""

    id: int
    start: datetime
    file: str | None
    """Where its track is in the export, `activities/...`; None where there is none, or Strava could not export it."""
    activity: Activity
    columns: dict[str, str]
    """All cells with something in them, as they are written, by canonical name; unknown columns by their own."""


@dataclass(frozen=True)
class ArchiveReject:
    """A line that is not an activity, whole, and what is wrong with it, one sentence per error."""

    line: int
    cells: list[str]
    faults: list[str]


def read_activities(table: Table, athlete_id: int) -> Iterator[ArchivedActivity | ArchiveReject]:
    """Each line of the table as an activity of the athlete, or as a reject with its reasons."""
    lines = list(table.last_lines())
    date = table.columns.position("activity_date") or 0
    keys = [_key(name, cell) for name, cell in zip(table.columns.names, table.header, strict=True)]
    starts = parse_dates([line.cells[date] if len(line.cells) > date else "" for line in lines])
    for line, start in zip(lines, starts, strict=True):
        if len(line.cells) != len(keys):
            fault = f"it has {len(line.cells)} fields, the header {len(keys)}"
            yield ArchiveReject(line.number, line.cells, [fault])
            continue
        columns = {key: cell.replace("\0", "\N{REPLACEMENT CHARACTER}")
                   for key, cell in zip(keys, line.cells, strict=True) if cell}  # fmt: skip
        yield _read(line, columns, start, athlete_id, table.columns.language)


def _key(name: str | None, cell: str) -> str:
    return name or header_names(cell)[0].replace(" ", "_").replace("\0", "")


def _read(
    line: Line, columns: dict[str, str], start: datetime | None, athlete_id: int, language: str | None
) -> ArchivedActivity | ArchiveReject:
    cells = _Cells(columns)
    fields = _fields(cells, start, language) | {"athlete_id": athlete_id, "source": "archive"}
    file = columns.get("filename", "")
    if file and not is_file(file):
        cells.faults.append(f"filename: {file[:80]!r} is not a file of the export")
    if cells.faults:
        return ArchiveReject(line.number, line.cells, cells.faults)
    activity = checked({**fields, "digest": _digest(fields)})
    if not isinstance(activity, Activity):
        return ArchiveReject(line.number, line.cells, activity)
    return ArchivedActivity(
        activity.id, activity.start_date, file if file.startswith("activities/") else None, activity, columns
    )


def an_id(cell: str) -> int:
    """An activity's id; ValueError where it is none."""
    if not is_id(cell):
        raise ValueError
    return int(cell)


_KINDS: dict[Callable[[str], object], str] = {an_id: "an id", is_true: "yes or no"}
"""What a cell has to be, by what reads it; a number where it is not named."""


class _Cells:
    """The cells of a row, read one at a time; what is wrong is noted, so that all of it is reported at once."""

    def __init__(self, columns: dict[str, str]) -> None:
        self._columns = columns
        self.faults: list[str] = []

    def text(self, column: str) -> str | None:
        return self._columns.get(column)

    def value(self, read: Callable[[str], Value | None], *columns: str) -> Value | None:
        """What `read` makes of the first of the columns that is filled."""
        for column in columns:
            if cell := self._columns.get(column):
                try:
                    return read(cell)
                except ValueError:
                    self.faults.append(f"{column}: {cell[:80]!r} is not {_KINDS.get(read, 'a number')}")
        return None


def _fields(cells: _Cells, start: datetime | None, language: str | None) -> dict[str, Any]:
    """The fields of a row by the names that Strava's API has for them."""
    if start is None:
        cells.faults.append(f"activity_date: {(cells.text('activity_date') or '')[:80]!r} is not a date")
    sport = sport_type(cells.text("activity_type") or "", "en" if language == "2019" else language or "")
    work = cells.value(number, "total_work")
    is_upload = cells.value(is_true, "from_upload")
    return {
        "id": cells.value(an_id, "activity_id"),
        "name": cells.text("activity_name") or "",
        "start_date": start and start.isoformat(),
        "sport_type": sport,
        "distance": _distance(cells, sport, language),
        "moving_time": cells.value(whole_number, "moving_time"),
        "elapsed_time": cells.value(whole_number, "elapsed_time_2", "elapsed_time"),
        "max_heartrate": cells.value(number, "max_heart_rate_2", "max_heart_rate"),
        "suffer_score": cells.value(number, "relative_effort_2", "relative_effort"),
        "kilojoules": None if work is None else work / JOULES,
        "gear_id": _gear(cells),
        "commute": cells.value(is_true, "commute", "commute_2"),
        "manual": not is_upload if is_upload is not None else (False if cells.text("filename") else None),
        **{field: cells.value(number, column) for field, column in _NUMBERS.items()},
    }


def _distance(cells: _Cells, sport: str | None, language: str | None) -> float | None:
    metres = cells.value(number, "distance_2")
    if metres is not None or cells.faults:
        return metres
    if language == "2019":
        return cells.value(number, "distance")
    kilometres = cells.value(number_for_people, "distance")
    if not kilometres:
        return kilometres  # nothing is nothing in any unit
    if sport is None or sport in IN_OTHER_UNITS:
        return None  # there is no telling in which unit it is
    return round(kilometres * METRES, 2)


def _gear(cells: _Cells) -> str | None:
    for column, letter in (("bike", "b"), ("gear", "g")):
        if number_of_gear := cells.value(whole_number, column):
            return f"{letter}{number_of_gear}"
    return None


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
