"""What each view is, read from its file: description, columns with types and comments, the query, what it stands on.

A file of `sql/` is a query with a head of SQL comments: a sentence, an empty comment line, then `name type: comment` a
column. The database's comments and Dagster's column schema are both made from these words.
"""

import re
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files

SCHEMA = "strava_analytics"

_COLUMN = re.compile(r"-- (?P<name>[a-z0-9_]+) (?P<type>[a-z\[\] ]+): (?P<comment>.+)")
_FILES = files(__package__) / "sql"
_FUNCTIONS = "functions.sql"


@dataclass(frozen=True)
class Column:
    """A column of a view: name, Postgres's name of its type, meaning with unit."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class View:
    """A view of the schema; `needs` are the views, `tables` the tables in its query."""

    name: str
    description: str
    columns: tuple[Column, ...]
    query: str
    needs: frozenset[str]
    tables: frozenset[str]


@cache
def views() -> tuple[View, ...]:
    """All views, each after those that it needs."""
    found = {
        entry.name.removesuffix(".sql"): _read(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in _FILES.iterdir()
        if entry.name.endswith(".sql") and entry.name != _FUNCTIONS
    }
    order = TopologicalSorter({name: sorted(found[name].needs) for name in sorted(found)}).static_order()
    return tuple(found[name] for name in order)


def functions() -> str:
    """The statements that make what the views use beside tables."""
    return (_FILES / _FUNCTIONS).read_text(encoding="utf-8")


def _read(name: str, text: str) -> View:
    lines = text.splitlines()
    blank = lines.index("--")
    head_end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    columns = [_COLUMN.fullmatch(line) for line in lines[blank + 1 : head_end]]
    if not all(columns):
        raise ValueError(f"{name}.sql: line {blank + 2 + columns.index(None)} is not `-- name type: comment`")
    return View(
        name=name,
        description=" ".join(line.removeprefix("-- ") for line in lines[:blank]),
        columns=tuple(Column(**column.groupdict()) for column in columns if column),
        query="\n".join(lines[head_end:]),
        needs=frozenset(re.findall(rf"(?:FROM|JOIN) {SCHEMA}\.(\w+)", text)),
        tables=frozenset(re.findall(r"(?:FROM|JOIN) public\.(\w+)", text)),
    )
