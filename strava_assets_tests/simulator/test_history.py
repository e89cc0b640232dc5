"""The generated history: every field, every oddity, the same for the same seed."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw.activity import split_array
from strava_assets.simulator.gps_routes import encoded
from strava_assets.simulator.history import history
from strava_assets.simulator.simulation import Simulation

# Every field of GET /athlete/activities that this project knows of, and the JSON types seen in it.
NUMBER, NONE = (int, float), type(None)
FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "resource_state", "moving_time", "elapsed_time"), (int,)),
    **dict.fromkeys(("name", "type", "sport_type", "start_date", "start_date_local", "timezone", "visibility"), (str,)),
    **dict.fromkeys(("distance", "total_elevation_gain", "average_speed", "max_speed", "average_heartrate"), NUMBER),
    **dict.fromkeys(("elev_high", "average_cadence", "average_watts", "kilojoules", "utc_offset"), (float,)),
    **dict.fromkeys(("elev_low", "average_temp", "max_heartrate", "max_watts", "weighted_average_watts"), (int,)),
    **dict.fromkeys(("trainer", "commute", "manual", "private", "hide_from_home", "has_heartrate"), (bool,)),
    **dict.fromkeys(("device_watts", "has_kudoed", "from_accepted_tag", "heartrate_opt_out", "flagged"), (bool,)),
    **dict.fromkeys(("achievement_count", "kudos_count", "comment_count", "athlete_count", "photo_count"), (int,)),
    **dict.fromkeys(("total_photo_count", "pr_count"), (int,)),
    **dict.fromkeys(("workout_type", "upload_id", "suffer_score"), (int, NONE)),
    **dict.fromkeys(("gear_id", "device_name", "external_id"), (str, NONE)),
    **dict.fromkeys(("location_city", "location_state", "location_country"), (NONE,)),
    **dict.fromkeys(("start_latlng", "end_latlng"), (list, NONE)),
    "upload_id_str": (str,),
    "athlete": (dict,),
    "map": (dict, NONE),
}
NOW = datetime(2026, 11, 22, 13, 47, 5, tzinfo=UTC)


def lived(seed: int = 1, *, start: datetime = NOW - timedelta(days=1461), end: datetime = NOW) -> list[dict[str, Any]]:
    return list(history(42, start=start, end=end, per_year=400, seed=seed))


@pytest.fixture(scope="module")
def lived_history() -> list[dict[str, Any]]:
    return lived()


def test_every_field_occurs_with_each_of_its_types(lived_history: list[dict[str, Any]]):
    for name, types in FIELDS.items():
        assert {type(each[name]) for each in lived_history if name in each} == set(types), name


def test_the_history_has_the_oddities_of_a_real_one(lived_history: list[dict[str, Any]]):
    assert any(each["manual"] and "average_speed" not in each for each in lived_history)
    assert any(each["manual"] and each.get("average_speed") == 0 for each in lived_history)
    assert any(each["upload_id"] and each["upload_id"] > 2**64 for each in lived_history)
    assert all(each["id"] > 2**32 for each in lived_history)
    assert any(not each["name"] for each in lived_history)
    assert any(len(each["name"]) > 100 for each in lived_history)
    assert any(not each["name"].isascii() for each in lived_history)
    assert any(each["type"] == "Ride" and each["sport_type"] == "GravelRide" for each in lived_history)
    assert any(each["sport_type"] == "WeightTraining" and each["distance"] == 0 for each in lived_history)
    assert any(each["type"] == "Ride" and each.get("device_watts") for each in lived_history)
    assert any(each["map"] and not each["map"]["summary_polyline"] for each in lived_history)
    assert 0.02 < sum(each["private"] for each in lived_history) / len(lived_history) < 0.2
    assert {"suffer_score", "average_temp", "elev_high"} - lived_history[0].keys() or any(
        "average_temp" not in each for each in lived_history
    )


def test_several_hidden_starts_of_a_day_are_one_second_past_midnight(lived_history: list[dict[str, Any]]):
    hidden = Counter(each["start_date"] for each in lived_history if each["start_date_local"].endswith("T00:00:01Z"))
    assert len(hidden) > 10
    assert max(hidden.values()) > 1


def test_local_time_is_utc_plus_the_offset(lived_history: list[dict[str, Any]]):
    for each in lived_history:
        local, start = (datetime.fromisoformat(each[name]) for name in ("start_date_local", "start_date"))
        assert local - start == timedelta(seconds=each["utc_offset"])
    assert {each["utc_offset"] for each in lived_history} == {3600.0, 7200.0, -28800.0, -25200.0}


def test_about_as_much_happens_as_was_requested(lived_history: list[dict[str, Any]]):
    assert 0.9 * 1600 < len(lived_history) < 1.1 * 1600
    assert len({each["id"] for each in lived_history}) == len(lived_history)


def test_every_activity_is_a_valid_row(lived_history: list[dict[str, Any]]):
    for raw in split_array(json.dumps(lived_history)):
        assert isinstance(validate(raw, 42), Activity), raw


def test_the_same_seed_gives_the_same_history_and_another_seed_another(lived_history: list[dict[str, Any]]):
    assert lived() == lived_history
    assert lived(seed=2)[:50] != lived_history[:50]


def test_a_history_that_is_continued_later_equals_one_that_never_stopped(lived_history: list[dict[str, Any]]):
    noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    parts = lived(end=noon) + lived(start=noon)
    latest = {each["id"] for each in parts} - {each["id"] for each in lived_history}
    assert len(latest) <= 1  # what fills the last day
    # What was under way at noon had started before and was not listed yet.
    assert len({each["id"] for each in lived_history} - {each["id"] for each in parts}) <= 1


@pytest.mark.parametrize("per_year", [1, 300, 20_000])
def test_something_started_within_the_last_day_and_is_over(per_year: int):
    simulation = Simulation()
    simulation.add_athlete(42, years=0.1, per_year=per_year)
    newest = simulation.activities(42)[-1]
    start = datetime.fromisoformat(newest["start_date"])
    assert simulation.now() - start < timedelta(days=1)
    assert start + timedelta(seconds=newest["elapsed_time"]) < simulation.now()


def test_athletes_live_different_lives_with_different_ids():
    simulation = Simulation()
    for athlete_id in (42, 43):
        simulation.add_athlete(athlete_id, years=1)
    mine, theirs = ({each["id"] for each in simulation.activities(athlete_id)} for athlete_id in (42, 43))
    assert len(mine) > 200
    assert not mine & theirs


def test_time_goes_on_and_brings_activities():
    simulation = Simulation()
    simulation.add_athlete(42, years=0.5)
    before = {each["id"] for each in simulation.activities(42)}
    simulation.advance(20 * 86400)
    simulation.continue_history()
    after = {each["id"] for each in simulation.activities(42)}
    assert before < after
    assert 5 < len(after - before) < 40


def test_a_polyline_is_encoded_as_in_the_algorithms_own_example():
    assert encoded([(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]) == "_p~iF~ps|U_ulLnnqC_mqNvxq`@"
