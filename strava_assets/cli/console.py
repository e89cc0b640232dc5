"""Where commands print."""

from collections.abc import Sequence

import click
from rich.console import Console


def console() -> Console:
    """Where progress and tables go; colours only on a terminal."""
    return Console(highlight=False)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows, the headings first, with their columns one below the other, however wide the terminal is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
