"""Where commands print."""

from rich.console import Console


def console() -> Console:
    """Where progress and tables go; colours only on a terminal."""
    return Console(highlight=False)
