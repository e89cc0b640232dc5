"""Where commands print, and how they say numbers and what came from outside."""

import os
import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

_JOINER = "\N{ZERO WIDTH JOINER}"
"""What holds many an emoji together."""


def console() -> "Console":
    """Where progress and tables go; colours only on a terminal.

    It is what standard output is now: while a step runs in this process, Dagster leads that into the run's log, and a
    bar would stand still.
    """
    from rich.console import Console  # noqa: PLC0415 - it takes a tenth of a second, and few commands need it

    try:
        descriptor = os.dup(sys.stdout.fileno())
    except OSError:  # it is no file, as in tests of commands
        return Console(highlight=False)
    file = os.fdopen(descriptor, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    return Console(file=file, highlight=False)


def loading_dagster() -> "Status":
    """Shown while Dagster is imported, which takes seconds: a command does so only where it needs it."""
    return console().status("Loading Dagster")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows, the headings first, with their columns one below the other, however wide the terminal is."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 athlete`, `2 athletes`, `1,234 activities`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def printable(text: str) -> str:
    """Text from outside without anything that a terminal would act on: control characters become visible."""
    return "".join(
        each if each.isprintable() or each == _JOINER else each.encode("unicode_escape").decode() for each in text
    )


def shown_in_browser(url: str) -> bool:
    """Show a page, where that makes sense: on a host without a display it would be a text browser in this terminal."""
    is_there = {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys() or sys.platform.startswith(
        ("darwin", "win")
    )
    return bool(is_there) and webbrowser.open(url)
