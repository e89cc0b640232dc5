"""Which column of `activities.csv` is which: by name where the language is known, else by position between anchors.

Neither is believed alone: the content has to agree in nearly all rows, or the file is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from strava_assets.archive import column_checks
from strava_assets.archive.column_checks import Rows, Share, share
from strava_assets.archive.wording import header_names, names, table
from strava_assets.errors import ArchiveUnreadable

COLUMNS = tuple(row["column"] for row in table("headers.csv"))
"""The canonical names of all columns, in the order that the export has them; a second one of a name ends in `_2`."""

_POSITION = {name: position for position, name in enumerate(COLUMNS)}
_ADDED = {row["column"]: int(row["added"] or 0) for row in table("headers.csv")}
"""Columns that were put between others, and in which order; all other new ones come last."""

_SECOND = {name.removesuffix("_2"): name for name in COLUMNS if name.endswith("_2")}
_LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "nl": "Dutch", "es": "Spanish", "da": "Danish",
    "pt": "Portuguese", "pl": "Polish", "ru": "Russian", "2019": "English, until 2019",
}  # fmt: skip
_ENOUGH_NAMES = 4
"""Names that have to be of one language before it counts as known: a few are the same in several."""

_NEEDED = ("activity_id", "activity_date", "activity_name", "activity_type", "elapsed_time", "distance", "filename")
_NEEDED_WITH_NUMBERS = ("moving_time", "distance_2")
_FIRST_NUMBERS = 8
"""Time and distance stand again within this number of columns after the file's name."""

_OF_FILES = "the file's name is one"
"""Also true where all activities were entered by hand."""

_WITHOUT_NUMBERS = _POSITION["filename"] + 1
"""Until 2020 the header ended with the file name."""


@dataclass(frozen=True)
class Columns:
    """What was recognised: for each cell of the header its canonical name, or None."""

    names: tuple[str | None, ...]
    language: str | None
    """A key of the tables, None where only the content told what the columns are."""

    @property
    def language_name(self) -> str:
        """The language, for people."""
        return _LANGUAGES.get(self.language or "", "unknown language")

    def position(self, name: str) -> int | None:
        """Where the column of a canonical name is; None where there is none."""
        return self.names.index(name) if name in self.names else None


def recognise(header: Sequence[str], rows: Rows) -> Columns:
    """Tell the columns of a table from its header and its rows, which have a cell for each of the header's.

    Raises ArchiveUnreadable, which says the header, where it stays unclear or the content contradicts.
    """
    search = _Search(header, rows)
    found = Columns(tuple(search.names), search.language)
    _check(found, header, rows)
    return found


class _Search:
    """The search, from what is certain to what follows from it."""

    def __init__(self, header: Sequence[str], rows: Rows) -> None:
        self.header = header
        self.rows = rows
        self.names: list[str | None] = [None] * len(header)
        self.language = self._by_name()
        by_name = {name for name in self.names if name}
        self._by_content()
        self._find_doubles()
        self._fill()
        self._find_second_ones()
        self._find_speed()
        self._fill()
        self._doubt(by_name)
        self._turn_cadences()

    def _by_name(self) -> str | None:
        spellings = [header_names(cell) for cell in self.header]
        known = names("headers.csv", "column")
        hits = Counter({
            language: sum(any(each in words for each in cell) for cell in spellings)
            for language, words in known.items()
        })  # fmt: skip
        language, count = hits.most_common(1)[0]
        is_known = count >= _ENOUGH_NAMES
        words = known["en"] | (known[language] if is_known else {})
        named = [next((words[each] for each in cell if each in words), None) for cell in spellings]
        filename = named.index("filename") if "filename" in named else self._file_column()
        for position, name in enumerate(named):
            if name in _SECOND and (name in self.names or (filename is not None and position > filename)):
                name = _SECOND[name]  # noqa: PLW2901 - the second one of its name
            if name and name not in self.names:
                self.names[position] = name
        return language if is_known else None

    def _file_column(self) -> int | None:
        first_columns = range(min(len(self.header), 20))
        return next(
            (each for each in first_columns if share(self.rows, [each], column_checks.is_file).is_evidence), None
        )

    def _by_content(self) -> None:
        """The columns that look alike in any language."""
        head = range(min(len(self.header), 14))
        self._name("activity_id", head[:1], lambda at: share(self.rows, [at], column_checks.is_id))
        self._name("activity_date", head[1:4], lambda at: column_checks.are_dates(self.rows, at))
        self._name("commute", head[5:], lambda at: share(self.rows, [at], column_checks.is_word_for_commute))
        self._name("filename", range(len(self.header))[:20], lambda at: share(self.rows, [at], column_checks.is_file))
        self._name("media", [len(self.header) - 1], lambda at: share(self.rows, [at], column_checks.is_media))

    def _find_doubles(self) -> None:
        """Time and distance: they stand there twice, under one name in most languages, and with the same values."""
        start = self._end_of_head()
        if start is None:
            return
        for first, holds in (
            ("elapsed_time", column_checks.is_same_number),
            ("distance", column_checks.is_converted_distance),
            ("distance", column_checks.is_same_distance),  # of one who only swims, both are metres
        ):
            head = [at for at in range(start) if self.names[at] is None]
            self._name(first, head, partial(self._is_there_twice, start, holds))

    def _is_there_twice(self, start: int, holds: column_checks.Holds, column: int) -> Share:
        """Whether a column stands there again after `start`, soon or under the same name."""
        name = header_names(self.header[column])
        free = [at for at in range(start + 1, len(self.header)) if self.names[at] is None]
        namesakes = [at for at in free if header_names(self.header[at]) == name]
        for later in namesakes or free[:_FIRST_NUMBERS]:
            if (found := share(self.rows, [column, later], holds)).is_evidence:
                return found
        return Share(0, 0)

    def _both(self, others: Mapping[int, int], holds: column_checks.Holds, column: int) -> Share:
        return share(self.rows, sorted([column, others[column]]), holds)

    def _find_second_ones(self) -> None:
        """A column that has the name of an earlier one, or else its values."""
        same = {"distance": column_checks.is_same_distance, "commute": column_checks.is_same_truth}
        start = self._end_of_head()
        for first, second in _SECOND.items():
            at = self._position(first)
            if at is None or start is None or second in self.names:
                continue
            later = [column for column in range(start + 1, len(self.header)) if self.names[column] is None]
            namesakes = [each for each in later if header_names(self.header[each]) == header_names(self.header[at])]
            holds = same.get(first, column_checks.is_same_number)
            if namesakes:
                self.names[namesakes[0]] = second
            else:
                self._name(second, later, partial(self._both, dict.fromkeys(later, at), holds))

    def _find_speed(self) -> None:
        """Where columns were put between, the speed is what makes the time the distance."""
        self._fill()
        distance, moving = self._position("distance_2"), self._position("moving_time")
        if distance is None or moving is None:
            return
        likely = range(distance + 1, min(distance + 8, len(self.header)))
        self._name(
            "average_speed", likely, lambda at: share(self.rows, [distance, at, moving], column_checks.is_distance)
        )

    def _doubt(self, by_name: set[str]) -> None:
        """At the end of the header only the order tells; what is used of it has to look like it."""
        bike, gear = (self._share(name, column_checks.is_gear) for name in ("bike", "gear"))
        if not bike.is_evidence or not gear.is_enough:
            self._drop({"bike", "gear"} - by_name)
        upload, filename = self._position("from_upload"), self._position("filename")
        if upload is not None and filename is not None:
            by_hand = [row for row in self.rows if row[upload] == "0.0"]
            with_file = [row for row in by_hand if row[filename]]
            if not Share(len(by_hand), len(by_hand) - len(with_file)).is_enough:
                self._drop({"from_upload"} - by_name)

    def _share(self, name: str, holds: Callable[[str], bool]) -> Share:
        at = self._position(name)
        return Share(0, 0) if at is None else share(self.rows, [at], holds)

    def _drop(self, columns: set[str]) -> None:
        self.names = [None if name in columns else name for name in self.names]

    def _turn_cadences(self) -> None:
        """One translation had the two names the other way round."""
        average, most = self._position("average_cadence"), self._position("max_cadence")
        if average is None or most is None:
            return
        is_wrong = not share(self.rows, [average, most], column_checks.is_at_most).is_enough
        if is_wrong and share(self.rows, [most, average], column_checks.is_at_most).is_enough:
            self.names[average], self.names[most] = "max_cadence", "average_cadence"

    def _fill(self) -> None:
        """Name what lies between two known columns, where it is as many as the known order has between them."""
        anchors = [(position, name) for position, name in enumerate(self.names) if name]
        for (start, before), (end, after) in pairwise(anchors):
            if end - start > 1:
                self._put(start + 1, _between(before, after, end - start - 1))
        if not anchors:
            return
        last, name = anchors[-1]
        if name == "media" and len(anchors) > 1:
            (last, name), end = anchors[-2], last
        else:
            end = len(self.names)
        if _POSITION[name] >= _POSITION["commute_2"]:
            # New columns come last, so older layouts end earlier.
            self._put(last + 1, COLUMNS[_POSITION[name] + 1 : -1][: end - last - 1])

    def _put(self, start: int, columns: Sequence[str]) -> None:
        for position, name in enumerate(columns, start):
            if self.names[position] is None and name not in self.names:
                self.names[position] = name

    def _name(self, name: str, columns: Sequence[int], evidence: Callable[[int], Share]) -> None:
        """Unless the name is taken, give it to the first of the free columns with evidence."""
        if name not in self.names:
            free = (column for column in columns if self.names[column] is None)
            found = next((column for column in free if evidence(column).is_evidence), None)
            if found is not None:
                self.names[found] = name

    def _end_of_head(self) -> int | None:
        """Where the columns for people end; where no activity has a file, its column is not known yet."""
        filename = self._position("filename")
        return self._position("commute") if filename is None else filename

    def _position(self, name: str) -> int | None:
        return self.names.index(name) if name in self.names else None


def _between(before: str, after: str, count: int) -> Sequence[str]:
    """The columns between two, if they can be so many; those put in latest are left out first."""
    all_between = COLUMNS[_POSITION[before] + 1 : _POSITION[after]]
    for newest in range(max(_ADDED.values()), -1, -1):
        columns = [name for name in all_between if _ADDED[name] <= newest]
        if len(columns) == count:
            return columns
    return ()


def _check(found: Columns, header: Sequence[str], rows: Rows) -> None:
    """Raise ArchiveUnreadable unless all that is needed is there and the content says so, too."""
    needed = _NEEDED + (_NEEDED_WITH_NUMBERS if len(header) > _WITHOUT_NUMBERS else ())
    if missing := [name for name in needed if name not in found.names]:
        raise _refusal(header, f"there is no telling which column is {', '.join(missing)}")
    for claim, evidence in _checks(found, rows):
        if not (evidence.is_enough or (found.language and evidence.is_one_exception)):
            raise _refusal(header, f"{claim} in only {evidence.holding} of {evidence.filled} rows")
        if found.language is None and not evidence.filled and claim != _OF_FILES:
            raise _refusal(header, f"its language is unknown, and no row shows whether {claim}")


def _checks(found: Columns, rows: Rows) -> Iterator[tuple[str, Share]]:
    def columns(*wanted: str) -> list[int] | None:
        positions = [found.position(name) for name in wanted]
        return None if None in positions else [each for each in positions if each is not None]

    checks = (
        ("the activity's id is a number", ("activity_id",), column_checks.is_id),
        (_OF_FILES, ("filename",), column_checks.is_file),
        ("a commute is true or false", ("commute",), column_checks.is_word_for_commute),
        ("distance is speed times moving time", ("distance_2", "average_speed", "moving_time"),
         column_checks.is_distance),
        ("moving time is within the elapsed time", ("moving_time", "elapsed_time"), column_checks.is_moving_time),
    )  # fmt: skip
    for claim, wanted, holds in checks:
        if (positions := columns(*wanted)) is not None:
            yield claim, share(rows, positions, holds)
    if positions := columns("activity_date"):
        yield "the date is one", column_checks.are_dates(rows, positions[0])


def _refusal(header: Sequence[str], reason: str) -> ArchiveUnreadable:
    header_text = ", ".join(" ".join(cell.split()) for cell in header)
    return ArchiveUnreadable(
        f"activities.csv has columns that are not understood, so nothing of it was read: {reason}. "
        f"Please report its header: {header_text}"
    )
