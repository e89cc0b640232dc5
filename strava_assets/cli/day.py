"""Days as the command line takes them."""

from typing import Any

import click


class Day(click.DateTime):
    """A date such as 2025-03-31; click names the format as programmers write it."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, *_: Any, **__: Any) -> str:  # noqa: ANN401 - of whichever click
        """What stands for the value in help."""
        return "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The day's midnight, of no zone."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a date. Write it like 2024-01-01.", param, ctx)
