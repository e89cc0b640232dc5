"""Every view against the reference: the simulator's athletes, hard cases of calendars, and random histories."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from strava_assets.simulator.history import history
from strava_assets_tests.views.golden import assert_equal, insert, reference, row, rows_of

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("per_year", "preference", "dated_settings"),
    [
        (250, {}, []),
        (
            120,
            {"week_start": "sunday", "counts_duplicates": False, "units": "imperial"},
            [
                {"valid_from": date(2026, 1, 5), "hr_max": 190.0, "hr_rest": 48.0, "ftp": 260.0, "sex": "female"},
                {"valid_from": date(2026, 5, 5), "ftp": 280.0, "threshold_speed_run": 3.6, "weight": 61.5},
                {"valid_from": date(2026, 7, 1), "hr_threshold": 171.0, "threshold_speed_swim": 1.1},
            ],
        ),
    ],
)
def test_the_simulators_athletes(
    engine: Engine, per_year: int, preference: dict[str, Any], dated_settings: list[dict[str, Any]]
):
    athletes = {
        athlete_id: rows_of(
            history(athlete_id, start=NOW - timedelta(days=500), end=NOW, per_year=per_year, seed=3), athlete_id
        )
        for athlete_id in (41, 42)
    }
    with engine.begin() as connection:
        for athlete_id, rows in athletes.items():
            assert len(rows) > 100
            chosen = {"athlete_id": athlete_id, **preference} if preference else {}
            insert(connection, rows, [{"athlete_id": athlete_id, **each} for each in dated_settings], **chosen)
        for athlete_id, rows in athletes.items():
            assert_equal(connection, athlete_id, reference(connection, rows, dated_settings, **preference))


CASES: dict[str, list[dict[str, Any]]] = {
    "half-hour and quarter-hour zones": [
        row(1, 1, "2026-03-01 23:45", 5.5),
        row(1, 2, "2026-03-02 00:10", 5.5),
        row(1, 3, "2026-03-03 00:05", 5.75),
        row(1, 4, "2026-03-04 23:55", -3.5),
    ],
    "summer time begins and ends: an hour that is not, an hour that is twice": [
        row(1, 1, "2026-03-28 23:30", 1),
        row(1, 2, "2026-03-29 03:10", 2),
        row(1, 3, "2026-10-25 02:30", 2),
        row(1, 4, "2026-10-25 02:30", 1, distance=21_000.0),
        row(1, 5, "2026-10-25 23:59:59", 1),
    ],
    "over the date line eastwards: a day twice; and westwards: a day missing": [
        row(1, 1, "2026-06-10 08:00", 12),
        row(1, 2, "2026-06-10 07:00", -10),
        row(1, 3, "2026-06-20 22:00", -10),
        row(1, 4, "2026-06-22 06:00", 14),
    ],
    "29 February is today, in years with and without one": [
        row(1, 1, "2023-02-28 10:00"),
        row(1, 2, "2023-03-01 10:00"),
        row(1, 3, "2024-02-29 10:00"),
        row(1, 4, "2024-03-01 10:00"),
        row(1, 5, "2028-02-29 10:00"),
    ],
    "28 February is today, after a year with a 29th": [
        row(1, 1, "2028-02-29 10:00"),
        row(1, 2, "2029-02-28 10:00"),
    ],
    "the first activity is on New Year's Eve, in another year by UTC": [
        row(1, 1, "2025-12-31 23:30", -8),
        row(1, 2, "2026-01-01 10:00", -8),
    ],
    "53 weeks and weeks that lie in two years": [
        row(1, 1, "2020-12-31 10:00"),
        row(1, 2, "2021-01-01 10:00"),
        row(1, 3, "2021-01-03 10:00"),
        row(1, 4, "2021-01-04 10:00"),
    ],
    "a gap of thirty years: fatigue decays below what a number can hold": [
        row(1, 1, "1996-05-01 10:00"),
        row(1, 2, "2026-05-01 10:00"),
    ],
    "a gap of years": [row(1, 1, "2019-05-01 10:00"), row(1, 2, "2026-05-01 10:00")],
    "hidden starts share a second and are no duplicates": [
        row(1, 1, "2026-05-01 00:00:01", 2),
        row(1, 2, "2026-05-01 00:00:01", 2),
        row(1, 3, "2026-05-01 00:00:00", 2),
    ],
    "recorded by three devices, and a short one within": [
        row(1, 1, "2026-05-01 10:00:10", elapsed_time=3000),
        row(1, 2, "2026-05-01 10:00:00", elapsed_time=3100),
        row(1, 3, "2026-05-01 10:01:00", elapsed_time=300),
        row(1, 4, "2026-05-01 10:02:00", elapsed_time=3000),
        row(1, 5, "2026-05-01 10:52:00", elapsed_time=3000),
    ],
    "no local time, no sport, no numbers": [
        row(1, 1, "2026-05-01 23:30", start_date_local=None),
        row(1, 2, "2026-05-02 10:00", sport_type=None, type=None, distance=None, moving_time=None, elapsed_time=None),
        row(1, 3, "2026-05-02 11:00", sport_type="UnderwaterHockey", distance=0.0),
        row(1, 4, "2026-05-02 12:00", sport_type=None, type="Ride", total_elevation_gain=None),
    ],
    "local times that no time zone makes": [
        row(1, 1, "2026-05-01 10:00", start_date_local=datetime.fromisoformat("9998-01-01")),
        row(1, 2, "2026-05-02 10:00", start_date_local=datetime.fromisoformat("0001-01-01")),
        row(1, 3, "2026-05-03 10:00", start_date_local=datetime.fromisoformat("2026-05-04 09:00")),
    ],
    "one activity without heart rate": [row(1, 1, "2026-11-01 10:00", sport_type="Yoga", distance=0.0)],
    "every method of load": [
        row(1, 1, "2026-05-01 10:00", sport_type="Ride", weighted_average_watts=250.0, device_watts=True),
        row(1, 2, "2026-05-02 10:00", average_heartrate=150.0, max_heartrate=185.0, suffer_score=80.0),
        row(1, 3, "2026-05-03 10:00", suffer_score=40.0),
        row(1, 4, "2026-05-04 10:00"),
        row(1, 5, "2026-05-05 10:00", sport_type="Swim", distance=2000.0),
        row(1, 6, "2026-05-06 10:00", sport_type="WeightTraining", distance=0.0),
        row(1, 7, "2026-05-07 10:00", average_heartrate=55.0),
    ],
    "equal loads for days have no monotony": [
        row(1, day, f"2026-05-{day:02} 10:00", sport_type="Yoga", moving_time=1234) for day in range(1, 20)
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_hard_cases_of_calendars_and_gaps(engine: Engine, case: str):
    with engine.begin() as connection:
        insert(connection, CASES[case])
        assert_equal(connection, 1, reference(connection, CASES[case]))


def _rows(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for number, each in enumerate(drawn):
        local = datetime(2025, 12, 1) + timedelta(seconds=each.pop("second"))  # noqa: DTZ001 - wall-clock time
        is_hidden = each.pop("is_hidden")
        if is_hidden:
            local = local.replace(hour=0, minute=0, second=1)
        rows.append(row(7, 100 + number, local.isoformat(), each.pop("offset"), **each))
    return rows


ACTIVITY = st.fixed_dictionaries(
    {
        "second": st.integers(0, 60 * 86_400) | st.integers(0, 7_200),
        "offset": st.sampled_from([-11, -8, 0, 5.5, 5.75, 14]),
        "is_hidden": st.sampled_from([False, False, False, True]),
        "sport_type": st.sampled_from(["Run", "Ride", "Swim", "Yoga", "Curling"]),
        "distance": st.none() | st.floats(0, 200_000) | st.floats(allow_nan=False, allow_infinity=False),
        "moving_time": st.none() | st.integers(0, 30_000),
        "elapsed_time": st.none() | st.integers(0, 40_000) | st.integers(-(2**63), 2**63 - 1),
        "total_elevation_gain": st.none() | st.floats(0, 5000),
        "average_heartrate": st.none() | st.floats(40, 200) | st.floats(allow_nan=False, allow_infinity=False),
        "max_heartrate": st.none() | st.floats(60, 220),
        "weighted_average_watts": st.none() | st.floats(0, 500),
        "device_watts": st.sampled_from([None, False, True]),
        "suffer_score": st.none() | st.floats(0, 400),
        "gear_id": st.sampled_from([None, "b1", "g2"]),
    }
)
SETTING = st.fixed_dictionaries(
    {"athlete_id": st.just(7), "valid_from": st.dates(date(2025, 11, 25), date(2026, 2, 5))},
    optional={
        "hr_max": st.floats(150, 220),
        "hr_rest": st.floats(35, 90),
        "hr_threshold": st.floats(100, 190),
        "ftp": st.floats(50, 450),
        "threshold_speed_run": st.floats(1, 7),
        "threshold_speed_swim": st.floats(0.3, 2),
        "sex": st.sampled_from(["female", "male"]),
    },
)


@given(
    drawn=st.lists(ACTIVITY, min_size=1, max_size=25),
    dated_settings=st.lists(SETTING, max_size=4, unique_by=lambda each: each["valid_from"]),
    week_start=st.sampled_from(["monday", "saturday", "sunday"]),
    counts_duplicates=st.booleans(),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_of_two_months(
    engine: Engine,
    drawn: list[dict[str, Any]],
    dated_settings: list[dict[str, Any]],
    week_start: str,
    counts_duplicates: bool,
):
    rows = _rows([dict(each) for each in drawn])
    preference = {"athlete_id": 7, "week_start": week_start, "counts_duplicates": counts_duplicates}
    with engine.begin() as connection:
        for table in ("strava_activity", "strava_athlete_setting", "strava_athlete_preference"):
            connection.execute(text(f"DELETE FROM {table}"))
        insert(connection, rows, dated_settings, **preference)
        assert_equal(connection, 7, reference(connection, rows, dated_settings, **preference))
