"""`activities.csv` as a table: its cells as they are written, and which column is which."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from strava_assets.archive.column_checks import is_id
from strava_assets.archive.columns import Columns, recognise
from strava_assets.errors import ArchiveUnreadable

MOST_CHARACTERS_IN_A_CELL = 2**24


class Line(NamedTuple):
    """A row, and the line of the file that it ends in."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A table that was understood."""

    header: list[str]
    columns: Columns
    lines: list[Line]
    duplicates: list[int]
    """Ids that stand there more than once; the last row of each counts."""

    def last_lines(self) -> Iterator[Line]:
        """The lines, of those with the same id the last."""
        at = self.columns.position("activity_id") or 0
        last = {line.cells[at]: line.number for line in self.lines if len(line.cells) > at}
        for line in self.lines:
            is_activity = len(line.cells) == len(self.header) and is_id(line.cells[at])
            if not is_activity or last[line.cells[at]] == line.number:
                yield line


def read_table(data: bytes) -> Table:
    """The table in the bytes of an `activities.csv`.

    Raises ArchiveUnreadable where it is empty, no CSV, no UTF-8, or has columns that are not understood.
    """
    header, lines = _split(data)
    whole = [line.cells for line in lines if len(line.cells) == len(header)]
    if not lines:
        raise ArchiveUnreadable("activities.csv lists no activity. Request a new export from Strava.")
    columns = recognise(header, whole)
    at = columns.position("activity_id") or 0
    times = Counter(cells[at] for cells in whole)
    return Table(header, columns, lines, sorted(int(each) for each in times if times[each] > 1 and is_id(each)))


def _split(data: bytes) -> tuple[list[str], list[Line]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArchiveUnreadable(
            f"activities.csv is not UTF-8 text (byte {error.start}); another program may have saved it. "
            f"Use the file as Strava wrote it."
        ) from None
    csv.field_size_limit(MOST_CHARACTERS_IN_A_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [Line(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ArchiveUnreadable(f"activities.csv breaks off or is broken at line {reader.line_num}: {error}.") from None
    if not lines:
        raise ArchiveUnreadable("activities.csv is empty. Request a new export from Strava.")
    return lines[0].cells, lines[1:]
