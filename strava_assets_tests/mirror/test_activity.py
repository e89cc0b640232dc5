import json
from typing import Any

import pytest

from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw.activity import split_array

VALID = {"id": 1, "start_date": "2026-11-22T12:05:00Z"}


def read(**fields: Any) -> Activity | list[str]:
    return validate(split_array(json.dumps([{**VALID, **fields}]))[0], athlete_id=42)


@pytest.mark.parametrize(
    ("received", "column", "value"),
    [
        ({"average_speed": 11}, "average_speed", 11.0),  # floats that print as integers
        ({"moving_time": 3600.0}, "moving_time", 3600),
        ({"weighted_average_watts": 201.5}, "weighted_average_watts", 201.5),  # documented as an integer
        ({"start_latlng": []}, "start_latitude", None),
        ({"start_latlng": None}, "start_longitude", None),
        ({"end_latlng": [47.5, 8.25]}, "end_longitude", 8.25),
        ({"map": {"summary_polyline": None}}, "summary_polyline", None),
        ({"map": None}, "summary_polyline", None),
        ({"timezone": "(GMT-08:00) America/Los_Angeles"}, "timezone", "America/Los_Angeles"),
        ({"timezone": "UTC"}, "timezone", "UTC"),
        ({"sport_type": "Quidditch"}, "sport_type", "Quidditch"),  # an open list
        ({"name": ""}, "name", ""),
        ({"name": "x" * 300}, "name", "x" * 300),
    ],
)
def test_what_the_api_says_is_read_into_columns(received: dict[str, Any], column: str, value: object):
    row = read(**received)
    assert isinstance(row, Activity)
    assert getattr(row, column) == value


@pytest.mark.parametrize(
    ("received", "fault"),
    [
        ({"id": "1"}, "id: Input should be a valid integer (got '1')"),
        ({"id": 2**63}, "id: Input should be less than or equal to 9223372036854775807 (got '9223372036854775808')"),
        ({"start_date": None}, "start_date: Value error, a date was expected, not NoneType (got 'None')"),
        ({"distance": "far"}, "distance: Input should be a valid number (got 'far')"),
        ({"moving_time": 1.5}, "moving_time: Input should be a valid integer (got '1.5')"),
        ({"trainer": "yes"}, "trainer: Input should be a valid boolean (got 'yes')"),
        ({"start_date_local": "soon"}, "start_date_local: Value error, Invalid isoformat string: 'soon' (got 'soon')"),
    ],
)
def test_each_fault_is_reported_in_a_sentence(received: dict[str, Any], fault: str):
    assert read(**received) == [fault]


def test_a_missing_start_and_an_infinite_number_are_faults():
    faults = validate(split_array('[{"id": 1, "distance": 1e999}]')[0], athlete_id=42)
    assert faults == ["start_date: Field required", "distance: Input should be a valid number (got '1e999')"]


def test_what_is_nested_too_deeply_and_a_number_of_any_length_are_faults_of_their_activity_alone():
    nested, long, fine = split_array(
        f'[{{"id": 1, "name": {"[" * 965}{"]" * 965}}}, {{"id": 2, "distance": {"9" * 4301}}}, '
        '{"id": 3, "start_date": "2026-11-22T13:05:00Z"}]'
    )
    assert validate(nested, athlete_id=42) == ["values are nested deeper than any of Strava's"]
    assert "distance: Input should be a valid number (got '99999" in str(validate(long, athlete_id=42))
    assert isinstance(validate(fine, athlete_id=42), Activity)
