"""Compares every view with the reference: to 1e-6, and with no row too many."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, text

from strava_assets.mirror.activity import Activity
from strava_assets.mirror.table import activity as activity_table
from strava_assets.mirror.table import athlete_preference, athlete_setting
from strava_assets.raw.activity import split_array
from strava_assets_tests.views.reference import SUMS, Athlete, Row


def rows_of(activities: Iterable[Mapping[str, Any]], athlete_id: int) -> list[dict[str, Any]]:
    """The rows that activities of the simulator make."""
    raw = split_array(json.dumps(list(activities)))
    return [
        Activity.model_validate({**each.fields, "athlete_id": athlete_id, "digest": each.digest}).model_dump()
        for each in raw
    ]


def row(athlete_id: int, number: int, local: str, offset_hours: float = 0, **values: Any) -> dict[str, Any]:
    """A row that starts at the local time `local`; other columns as given, else as of an easy run."""
    started = datetime.fromisoformat(local)
    start = started.timestamp() if started.tzinfo else started.replace(tzinfo=UTC).timestamp() - offset_hours * 3600
    actual = {
        "id": number,
        "athlete_id": athlete_id,
        "digest": "",
        "source": "api",
        "start_date": datetime.fromtimestamp(start, UTC),
        "start_date_local": started.replace(tzinfo=None),
        "sport_type": "Run",
        "distance": 10_000.0,
        "moving_time": 3000,
        "elapsed_time": 3100,
        "total_elevation_gain": 100.0,
    }
    return dict.fromkeys(activity_table.columns.keys()) | actual | values


def insert(connection: Connection, rows: Sequence[Row], settings: Sequence[Row] = (), **preference: Any) -> None:
    connection.execute(activity_table.insert(), [dict(each) for each in rows])
    for setting in settings:
        connection.execute(athlete_setting.insert().values(**setting))
    if preference:
        connection.execute(athlete_preference.insert().values(**preference))


def reference(connection: Connection, rows: Sequence[Row], settings: Sequence[Row] = (), **preference: Any) -> Athlete:
    """The athlete as of the transaction's now."""
    groups = connection.execute(text("SELECT * FROM strava_sport_group")).mappings()
    athlete = Athlete(
        rows=rows,
        now=connection.scalar(text("SELECT now()")) or datetime.now(UTC),
        groups={each["sport_type"]: dict(each) for each in groups},
        settings=settings,
    )
    chosen = {name: value for name, value in preference.items() if name in {"week_start", "counts_duplicates"}}
    return replace(athlete, **chosen)


def query(connection: Connection, view: str, athlete_id: int, *key: str) -> dict[Any, Any]:
    """The view's rows of the athlete by the columns `key`, each key once."""
    rows = (
        connection.execute(text(f"SELECT * FROM strava_analytics.{view} WHERE athlete_id = :id"), {"id": athlete_id})
        .mappings()
        .all()
    )
    found = {(each[key[0]] if len(key) == 1 else tuple(each[name] for name in key)): each for each in rows}
    assert len(found) == len(rows), f"{view} has a key twice"
    return found


def close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-6)


def assert_sums(found: Mapping[Any, Any], expected: Mapping[Any, Any], what: str) -> None:
    assert set(found) == set(expected), what
    for key, sums in expected.items():
        for name in ("activities", *SUMS):
            assert close(found[key][name], sums[name]), (what, key, name, found[key][name], sums[name])


def assert_equal(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    """Every view says of the athlete what the reference says."""
    _assert_activities(connection, athlete_id, athlete)
    _assert_days(connection, athlete_id, athlete)
    _assert_periods(connection, athlete_id, athlete)
    _assert_uses(connection, athlete_id, athlete)
    _assert_eddington_and_streaks(connection, athlete_id, athlete)
    _assert_records(connection, athlete_id, athlete)
    _assert_predictions(connection, athlete_id, athlete)


def _assert_activities(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    found = query(connection, "activity", athlete_id, "activity_id")
    assert set(found) == {row["id"] for row in athlete.rows}
    for row in athlete.rows:
        actual = found[row["id"]]
        load, method = athlete.load(row)
        assert (actual["day"], actual["sport_group"]) == (athlete.day(row), athlete.group(row))
        assert actual["load_method"] == method, (dict(actual), row)
        assert close(actual["load"], load), (row["id"], actual["load"], load, method)
        assert actual["load_is_guessed"] == athlete.is_guessed(row), (row["id"], method)
        assert actual["is_duplicate_of"] == athlete.duplicate_of(row)
        assert actual["is_counted"] == athlete.is_counted(row)
        assert actual["start_is_hidden"] == athlete.is_hidden(row)
        assert (actual["start_local"] is None) == (athlete.is_hidden(row) or row["start_date_local"] is None)
        assert all(close(actual[name], value) for name, value in athlete.values(row).items())
        speeds = [actual["speed_kmh"], actual["pace_min_per_km"], actual["pace_min_per_100m"]]
        assert sum(speed is not None for speed in speeds) <= 1
        if speeds[1] is not None:
            assert close(speeds[1], (row["moving_time"] / 60) / (row["distance"] / 1000))


def _assert_days(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    found = query(connection, "day", athlete_id, "day")
    days = athlete.days
    assert sorted(found) == days
    by_day = athlete.sums_by(athlete.day)
    nothing = dict.fromkeys(("activities", *SUMS), 0)
    assert_sums(found, {day: by_day.get(day, nothing) for day in days}, "day")
    loads, fitness, fatigue = athlete.daily_loads, athlete.smoothed(42), athlete.smoothed(7)
    for number, (day, monotony) in enumerate(zip(days, athlete.monotony(), strict=True)):
        actual = found[day]
        assert (actual["week"], actual["month"], actual["year"]) == (athlete.week(day), day.replace(day=1), day.year)
        assert close(actual["fitness"], fitness[number]), day
        assert close(actual["fatigue"], fatigue[number]), day
        assert close(actual["form"], fitness[number - 1] - fatigue[number - 1] if number else 0), day
        assert close(actual["monotony"], monotony), (day, actual["monotony"], monotony)
        assert close(actual["strain"], monotony and monotony * math.fsum(loads[number - 6 : number + 1])), day


def _assert_periods(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    keys: dict[str, Any] = {
        "week": athlete.week,
        "month": lambda day: day.replace(day=1),
        "year": lambda day: day.year,
    }
    fitness = dict(zip(athlete.days, athlete.smoothed(42), strict=True))
    active = set(athlete.sums_by(athlete.day))
    nothing = dict.fromkeys(("activities", *SUMS), 0)
    for period, of_day in keys.items():
        found = query(connection, period, athlete_id, period)
        sums = athlete.sums_by(lambda row, of_day=of_day: of_day(athlete.day(row)))
        assert_sums(found, {key: sums.get(key, nothing) for key in map(of_day, athlete.days)}, period)
        within = defaultdict(list)
        for day in athlete.days:
            within[of_day(day)].append(day)
        for key, actual in found.items():
            assert close(actual["fitness"], fitness[within[key][-1]]), (period, key)
            assert actual["active_days"] == len(active & set(within[key])), (period, key)
        by_sport = query(connection, f"{period}_by_sport", athlete_id, period, "sport_group")
        assert_sums(
            by_sport,
            athlete.sums_by(lambda row, of_day=of_day: (of_day(athlete.day(row)), athlete.group(row))),
            f"{period}_by_sport",
        )
    _assert_spans(connection, athlete_id, athlete)


def _assert_spans(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    today = athlete.today
    until = (today.month, today.day)
    to_date = {
        year: athlete.sums(
            row for row in athlete.rows if (d := athlete.day(row)).year == year and (d.month, d.day) <= until
        )
        for year in {day.year for day in athlete.days if (day.month, day.day) <= until}
    }
    assert_sums(query(connection, "year_to_date", athlete_id, "year"), to_date, "year_to_date")
    spans: dict[tuple[int, bool], Any] = {}
    for days in (7, 28, 90, 365):
        for is_before in (False, True):
            ages = range(days, 2 * days) if is_before else range(days)
            if any((today - day).days in ages for day in athlete.days):
                spans[days, is_before] = athlete.sums(
                    row for row in athlete.rows if (today - athlete.day(row)).days in ages
                )
    assert_sums(query(connection, "recent", athlete_id, "days", "is_before"), spans, "recent")


def _assert_uses(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    for view, column in (("gear_use", "gear_id"), ("device_use", "device_name")):
        found = query(connection, view, athlete_id, column)
        assert_sums(found, athlete.sums_by(lambda row, column=column: row[column]), view)
        for key, actual in found.items():
            days = [athlete.day(row) for row in athlete.rows if row[column] == key and athlete.is_counted(row)]
            assert (actual["first_day"], actual["last_day"]) == (min(days), max(days))

    def slot(row: Row) -> tuple[str, int, int] | None:
        local = row["start_date_local"]
        if local is None or athlete.is_hidden(row):
            return None
        return athlete.group(row), local.isoweekday(), local.hour

    found = query(connection, "time_of_day", athlete_id, "sport_group", "weekday", "hour")
    assert_sums(found, athlete.sums_by(slot), "time_of_day")


def _assert_eddington_and_streaks(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    found = query(connection, "eddington", athlete_id, "sport_group", "unit")
    for group in {athlete.group(row) for row in athlete.rows}:
        for unit, metres in (("km", 1000), ("mile", 1609.344)):
            number, missing = athlete.eddington(group, metres)
            actual = found.get((group, unit))
            if actual is None:
                assert number == 0
            else:
                assert (actual["eddington"], actual["days_missing"]) == (number, missing), (group, unit)
    streaks = query(connection, "streak", athlete_id, "unit", "first_day")
    active = [athlete.day(row) for row in athlete.rows if athlete.is_counted(row)]
    expected = {("day", *each) for each in athlete.streaks(1, active)}
    expected |= {("week", *each) for each in athlete.streaks(7, map(athlete.week, active))}
    assert {
        (each["unit"], each["first_day"], each["last_day"], each["length"]) for each in streaks.values()
    } == expected
    for each in streaks.values():
        step = 7 if each["unit"] == "week" else 1
        now = athlete.week(athlete.today) if step == 7 else athlete.today
        assert each["is_current"] == ((now - each["last_day"]).days <= step), each


CLASSES: dict[str, dict[str, float]] = {
    "Run": {"1 mile": 1609.344, "5 km": 5000, "10 km": 10000, "half marathon": 21097.5, "marathon": 42195,
            "50 km": 50000},
    "Ride": {"20 km": 20000, "40 km": 40000, "100 km": 100_000, "100 miles": 160_934.4, "200 km": 200_000},
    "Swim": {"400 m": 400, "1000 m": 1000, "1500 m": 1500, "3800 m": 3800},
}  # fmt: skip


def _candidates(athlete: Athlete, row: Row) -> Iterator[tuple[str, float, float]]:
    """The records that an activity may be: name, value, and what is to be small."""
    values = athlete.values(row)
    for name, column in (
        ("longest distance", "distance_km"),
        ("longest time", "moving_minutes"),
        ("most climbing", "elevation_m"),
        ("highest load", "load"),
    ):
        if values[column] > 0:
            yield name, values[column], -values[column]
    for name, metres in CLASSES.get(athlete.group(row), {}).items():
        if row["moving_time"] and 0.98 * metres <= (row["distance"] or 0) <= 1.02 * metres:
            yield f"fastest {name}", values["moving_minutes"], values["moving_minutes"]


def _assert_records(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    ranked: dict[tuple[str, str], list[tuple[float, date, int, float]]] = defaultdict(list)
    for row in athlete.rows:
        if athlete.is_counted(row):
            for name, value, rank in _candidates(athlete, row):
                ranked[athlete.group(row), name].append((rank, athlete.day(row), row["id"], value))
    found = query(connection, "record", athlete_id, "sport_group", "record")
    assert set(found) == set(ranked)
    for key, candidates in ranked.items():
        *_, activity_id, value = min(candidates)
        assert close(found[key]["value"], value), key
        # Of two loads that differ by rounding, either may be called the highest.
        assert found[key]["activity_id"] == activity_id or key[1] == "highest load"


def _assert_predictions(connection: Connection, athlete_id: int, athlete: Athlete) -> None:
    predictions = query(connection, "race_prediction", athlete_id, "distance_km")
    runs = [
        (row["moving_time"] / 60, row["distance"] / 1000)
        for row in athlete.rows
        if athlete.group(row) == "Run" and athlete.is_counted(row) and row["moving_time"]
        if (row["distance"] or 0) >= 3000 and (athlete.today - athlete.day(row)).days < 365
    ]
    assert set(predictions) == ({5, 10, 21.0975, 42.195} if runs else set())
    for km, actual in predictions.items():
        assert close(actual["predicted_minutes"], min(minutes * (km / ran) ** 1.06 for minutes, ran in runs))
