"""Every metric of the views a second time: plain Python, by brute force, from the rows and the definitions alone."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

Row = Mapping[str, Any]
SUMS = ("distance_km", "distance_miles", "moving_minutes", "elapsed_minutes", "elevation_m", "load")
FIELDS = ("hr_max", "hr_rest", "hr_threshold", "ftp", "threshold_speed_run", "threshold_speed_swim", "sex", "weight")


def percentile(values: Iterable[float], share: float) -> float | None:
    """With linear interpolation between the two values around it."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


LIMITS = {
    "distance": (0, 1e8),
    "moving_time": (0, 366 * 86_400),
    "elapsed_time": (0, 366 * 86_400),
    "total_elevation_gain": (0, 1e6),
    "average_heartrate": (1, 300),
    "max_heartrate": (1, 300),
    "weighted_average_watts": (0, 10_000),
    "suffer_score": (0, 1e5),
}
"""What a number may be; outside of it, it counts as not known."""


def clean(row: Row) -> Row:
    """The row without numbers that cannot be true; below a thousandth they are 0."""
    found = dict(row)
    for name, (low, high) in LIMITS.items():
        value = found[name]
        if value is not None:
            found[name] = None if not low <= value <= high else 0 if value < 0.001 else value
    local = found["start_date_local"]
    if local is not None and abs(local.replace(tzinfo=UTC) - found["start_date"]) > timedelta(days=1):
        found["start_date_local"] = None
    return found


@dataclass
class Athlete:
    """One athlete's rows, what was set, and the moment at which all is asked."""

    rows: Sequence[Row]
    now: datetime
    groups: Mapping[str, Row]
    settings: Sequence[Row] = ()
    week_start: str = "monday"
    counts_duplicates: bool = True
    _duplicates: dict[int, int | None] = field(default_factory=dict)
    _loads: dict[int, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = [clean(row) for row in self.rows]

    # Days

    @staticmethod
    def day(row: Row) -> date:
        local: datetime = row["start_date_local"] or row["start_date"].astimezone(UTC)
        return local.date()

    @cached_property
    def today(self) -> date:
        known = [row for row in self.rows if row["start_date_local"] is not None]
        offset = timedelta(0)
        if known:
            newest = max(known, key=lambda row: (row["start_date"], row["id"]))
            offset = newest["start_date_local"] - newest["start_date"].astimezone(UTC).replace(tzinfo=None)
        here = (self.now.astimezone(UTC).replace(tzinfo=None) + offset).date()
        return max([here, *(self.day(row) for row in self.rows)])

    @cached_property
    def days(self) -> list[date]:
        first = min(self.day(row) for row in self.rows)
        return [first + timedelta(days=number) for number in range((self.today - first).days + 1)]

    def week(self, day: date) -> date:
        first = {"monday": 0, "saturday": 5, "sunday": 6}[self.week_start]
        while day.weekday() != first:
            day -= timedelta(days=1)
        return day

    # Activities

    def group(self, row: Row) -> str:
        sport = row["sport_type"] or row["type"] or "Unknown"
        return str(self.groups[sport]["sport_group"]) if sport in self.groups else sport

    def threshold(self, row: Row) -> str | None:
        sport = row["sport_type"] or row["type"] or "Unknown"
        return self.groups[sport]["threshold"] if sport in self.groups else None

    @staticmethod
    def is_hidden(row: Row) -> bool:
        return row["start_date_local"] is not None and row["start_date_local"].time() == time(0, 0, 1)

    def duplicate_of(self, row: Row) -> int | None:
        def span(each: Row) -> tuple[float, float]:
            start = each["start_date"].timestamp()
            return start, start + each["elapsed_time"]

        def is_placed(each: Row) -> bool:
            return bool(each["elapsed_time"]) and not self.is_hidden(each)

        found = []
        if is_placed(row):
            for other in self.rows:
                if other["id"] < row["id"] and is_placed(other):
                    (start, end), (other_start, other_end) = span(row), span(other)
                    shared = min(end, other_end) - max(start, other_start)
                    if shared > 0.8 * max(row["elapsed_time"], other["elapsed_time"]):
                        found.append(other["id"])
        return min(found, default=None)

    def is_counted(self, row: Row) -> bool:
        if row["id"] not in self._duplicates:
            self._duplicates[row["id"]] = self.duplicate_of(row)
        return self.counts_duplicates or self._duplicates[row["id"]] is None

    @cached_property
    def guess(self) -> dict[str, Any]:
        def hour_speed(row: Row) -> float:
            metres_in_an_hour = row["distance"] * (3600 / row["moving_time"]) ** (1 / 1.06)
            return float(metres_in_an_hour / 3600)

        def speeds(kind: str, least: float) -> list[float]:
            return [
                hour_speed(row)
                for row in self.rows
                if self.threshold(row) == kind and (row["distance"] or 0) >= least and row["moving_time"]
            ]

        powers = [
            row["weighted_average_watts"]
            for row in self.rows
            if self.threshold(row) == "ftp"
            and row["device_watts"]
            and (row["moving_time"] or 0) >= 1200
            and row["weighted_average_watts"] is not None
        ]
        return {
            "hr_max": percentile(
                [row["max_heartrate"] for row in self.rows if row["max_heartrate"] is not None], 0.995
            ),
            "hr_rest": 60,
            "ftp": 0.95 * max(powers) if powers else None,
            "threshold_speed_run": percentile(speeds("run", 3000), 0.95),
            "threshold_speed_swim": percentile(speeds("swim", 400), 0.95),
        }

    def setting(self, day: date) -> tuple[dict[str, Any], set[str]]:
        """What holds on that day, and what of it is guessed."""
        known: dict[str, Any] = {}
        for each in sorted(self.settings, key=lambda each: each["valid_from"]):
            if each["valid_from"] <= day:
                known |= {name: each[name] for name in FIELDS if each.get(name) is not None}
        found = dict.fromkeys(FIELDS) | self.guess | known
        if found["hr_threshold"] is None and found["hr_max"] is not None:
            found["hr_threshold"] = found["hr_rest"] + 0.85 * (found["hr_max"] - found["hr_rest"])
        return found, set(FIELDS) - set(known) - {"weight"}

    def measured_load(self, row: Row) -> tuple[float, str] | None:
        """By power, else by heart rate."""
        setting, _ = self.setting(self.day(row))
        hours = (row["moving_time"] or 0) / 3600
        power, beats = row["weighted_average_watts"], row["average_heartrate"]
        if self.threshold(row) == "ftp" and row["device_watts"] and power is not None and setting["ftp"]:
            return hours * (power / setting["ftp"]) ** 2 * 100, "power"
        if beats is None or setting["hr_max"] is None:
            return None
        rest, reserve = setting["hr_rest"], setting["hr_max"] - setting["hr_rest"]
        if reserve <= 0 or setting["hr_threshold"] <= rest:
            return None

        def trimp(minutes: float, rate: float) -> float:
            share: float = min(max((rate - rest) / reserve, 0), 1.5)
            if setting["sex"] == "female":
                return minutes * share * 0.86 * math.exp(1.67 * share)
            return minutes * share * 0.64 * math.exp(1.92 * share)

        return 100 * trimp(hours * 60, beats) / trimp(60, setting["hr_threshold"]), "heart_rate"

    def load(self, row: Row) -> tuple[float, str]:
        if row["id"] not in self._loads:
            self._loads[row["id"]] = self._load(row)
        return self._loads[row["id"]]

    def _load(self, row: Row) -> tuple[float, str]:
        if measured := self.measured_load(row):
            return measured
        if row["suffer_score"] is not None:
            ratios = [
                measured[0] / other["suffer_score"]
                for other in self.rows
                if (other["suffer_score"] or 0) > 0 and (measured := self.measured_load(other))
            ]
            return row["suffer_score"] * (statistics.median(ratios) if ratios else 1), "relative_effort"
        hours = (row["moving_time"] or 0) / 3600
        setting, _ = self.setting(self.day(row))
        if row["distance"] and row["moving_time"]:
            speed = row["distance"] / row["moving_time"]
            if self.threshold(row) == "run" and setting["threshold_speed_run"]:
                return hours * (speed / setting["threshold_speed_run"]) ** 2 * 100, "pace"
            if self.threshold(row) == "swim" and setting["threshold_speed_swim"]:
                return hours * (speed / setting["threshold_speed_swim"]) ** 3 * 100, "pace"
        sport = row["sport_type"] or row["type"] or "Unknown"
        return hours * (self.groups[sport]["load_per_hour"] if sport in self.groups else 40), "duration"

    def is_guessed(self, row: Row) -> bool:
        _, method = self.load(row)
        _, guessed = self.setting(self.day(row))
        needed = {
            "power": {"ftp"},
            "heart_rate": {"hr_max", "hr_rest", "hr_threshold", "sex"},
            "pace": {f"threshold_speed_{self.threshold(row)}"},
        }
        return method not in needed or bool(needed[method] & guessed)

    # Sums

    def values(self, row: Row) -> dict[str, float]:
        metres = row["distance"] or 0
        return {
            "distance_km": metres / 1000,
            "distance_miles": metres / 1609.344,
            "moving_minutes": (row["moving_time"] or 0) / 60,
            "elapsed_minutes": (row["elapsed_time"] or 0) / 60,
            "elevation_m": row["total_elevation_gain"] or 0,
            "load": self.load(row)[0],
        }

    def sums(self, rows: Iterable[Row]) -> dict[str, float]:
        chosen = [self.values(row) for row in rows if self.is_counted(row)]
        return {"activities": len(chosen), **{name: math.fsum(each[name] for each in chosen) for name in SUMS}}

    def sums_by(self, key: Any) -> dict[Any, dict[str, float]]:
        rows = defaultdict(list)
        for row in self.rows:
            if self.is_counted(row) and key(row) is not None:
                rows[key(row)].append(row)
        return {each: self.sums(found) for each, found in rows.items()}

    # Training

    @cached_property
    def daily_loads(self) -> list[float]:
        by_day = self.sums_by(self.day)
        return [by_day[day]["load"] if day in by_day else 0.0 for day in self.days]

    def smoothed(self, days: float) -> list[float]:
        """In closed form, not step by step: each past load weighs (1 - e^(-1/days)) e^(-age/days)."""
        loads = self.daily_loads
        weight = 1 - math.exp(-1 / days)
        return [
            math.fsum(
                weight * math.exp(-age / days) * loads[today - age] for age in range(min(today + 1, int(days * 60)))
            )
            for today in range(len(loads))
        ]

    def monotony(self) -> list[float | None]:
        loads = self.daily_loads
        found: list[float | None] = []
        for number in range(len(loads)):
            last = loads[number - 6 : number + 1]
            deviation = statistics.pstdev(last) if len(last) == 7 else 0.0
            found.append(statistics.fmean(last) / deviation if deviation > 1e-9 else None)
        return found

    # The rest

    def eddington(self, group: str, metres: float) -> tuple[int, int]:
        """The number, and the days missing for the next one."""
        by_day: dict[date, float] = defaultdict(float)
        for row in self.rows:
            if self.group(row) == group and self.is_counted(row):
                by_day[self.day(row)] += (row["distance"] or 0) / metres

        def days(units: int) -> int:
            return sum(distance + 1e-9 >= units for distance in by_day.values())

        number = 0
        while days(number + 1) >= number + 1:
            number += 1
        return number, number + 1 - days(number + 1)

    def streaks(self, step: int, active: Iterable[date]) -> set[tuple[date, date, int]]:
        """First, last, length of each run of days (step 1) or first days of weeks (step 7)."""
        left = set(active)
        found = set()
        for first in sorted(left):
            if first - timedelta(days=step) in left:
                continue
            last = first
            while last + timedelta(days=step) in left:
                last += timedelta(days=step)
            found.add((first, last, (last - first).days // step + 1))
        return found
