"""One measured figure, and how it is printed."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, against what, and what was aimed for."""

    what: str
    measured: str
    aim: str
    is_met: bool

    def row(self) -> str:
        """A row of a Markdown table."""
        return f"| {self.what} | {self.measured} | {self.aim} | {'yes' if self.is_met else '**no**'} |"


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of ours over the median of theirs."""
    return statistics.median(ours) / statistics.median(theirs)
