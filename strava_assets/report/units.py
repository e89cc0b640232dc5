"""How numbers are written: distances and speeds in an athlete's units, times as clocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KM_PER_MILE = 1.609344
FEET_PER_METRE = 1 / 0.3048
YARDS_PER_METRE = 1 / 0.9144


@dataclass(frozen=True)
class Units:
    """Metric or imperial."""

    is_imperial: bool

    @property
    def distance_unit(self) -> str:
        """km or mi."""
        return "mi" if self.is_imperial else "km"

    def distance(self, row: Mapping[str, Any]) -> str:
        """The distance of a view's row, with its unit."""
        return self.kilometres(row["distance_km"])

    def kilometres(self, km: float) -> str:
        """A distance given in kilometres, with its unit."""
        value = km / KM_PER_MILE if self.is_imperial else km
        return f"{value:,.1f} {self.distance_unit}" if value < 1000 else f"{value:,.0f} {self.distance_unit}"  # noqa: PLR2004

    def height(self, metres: float) -> str:
        """Climbing given in metres, with its unit."""
        return f"{metres * FEET_PER_METRE:,.0f} ft" if self.is_imperial else f"{metres:,.0f} m"

    def pace(self, row: Mapping[str, Any]) -> str:
        """What the activity's sport shows: a speed or a pace; empty where it has no distance."""
        if row["speed_kmh"] is not None:
            speed = row["speed_kmh"] / KM_PER_MILE if self.is_imperial else row["speed_kmh"]
            return f"{speed:.1f} {'mph' if self.is_imperial else 'km/h'}"
        if row["pace_min_per_km"] is not None:
            pace = row["pace_min_per_km"] * (KM_PER_MILE if self.is_imperial else 1)
            return f"{clock(pace)} /{self.distance_unit}"
        if row["pace_min_per_100m"] is not None:
            pace = row["pace_min_per_100m"] / (YARDS_PER_METRE if self.is_imperial else 1)
            return f"{clock(pace)} /100 {'yd' if self.is_imperial else 'm'}"
        return ""

    def record(self, row: Mapping[str, Any]) -> str:
        """The value of a record, with its unit."""
        value, unit = row["value"], row["unit"]
        if unit == "km":
            return self.kilometres(value)
        if unit == "m":
            return self.height(value)
        return clock(value) if unit == "min" else f"{value:,.0f}"


def hours(minutes: float) -> str:
    """Minutes as hours and minutes, `12 h 05`."""
    whole = round(minutes)
    return f"{whole // 60:,} h {whole % 60:02}"


def clock(minutes: float) -> str:
    """Minutes as `4:35` or `1:02:03`, to the second."""
    seconds = round(minutes * 60)
    rest = f"{seconds % 3600 // 60:02}:{seconds % 60:02}"
    return f"{seconds // 3600}:{rest}" if seconds >= 3600 else rest.removeprefix("0")  # noqa: PLR2004 - an hour


def change(now: float, before: float) -> str:
    """How much more or less than before, in percent and brackets; empty where there was nothing."""
    return f"({signed((now / before - 1) * 100, 0)}\N{NO-BREAK SPACE}%)" if before else ""


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, none where it is written as zero; a hyphen would not be read out as a minus."""
    written = f"{round(value, digits):+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return written[1:] if not round(value, digits) else written
