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

    @classmethod
    def at_most(cls, what: str, measured: str, found: float, bound: float, unit: str = "") -> "Figure":
        """A figure that should be no more than the bound."""
        return cls(what, measured, f"≤ {bound:g}{unit}", found <= bound)

    @classmethod
    def at_least(cls, what: str, measured: str, found: float, bound: float, unit: str = "") -> "Figure":
        """A figure that should be no less than the bound."""
        return cls(what, measured, f"≥ {bound:g}{unit}", found >= bound)

    def row(self) -> str:
        """A row of a Markdown table."""
        return f"| {self.what} | {self.measured} | {self.aim} | {'yes' if self.is_met else '**no**'} |"


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of ours over the median of theirs."""
    return statistics.median(ours) / statistics.median(theirs)
