from datetime import UTC, datetime
from typing import Any

from strava_assets.mirror.activity import Activity, validate
from strava_assets.raw_activity import split_array
from strava_assets.simulator.simulation import Simulation

# Every field of GET /athlete/activities that this project knows of, and the JSON types seen in it.
NUMBER, NONE = (int, float), type(None)
FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "resource_state", "moving_time", "elapsed_time"), (int,)),
    **dict.fromkeys(("name", "type", "sport_type", "start_date", "start_date_local", "timezone", "visibility"), (str,)),
    **dict.fromkeys(("distance", "total_elevation_gain", "utc_offset", "average_speed", "max_speed"), NUMBER),
    **dict.fromkeys(("elev_high", "elev_low", "average_cadence", "average_temp", "average_heartrate"), NUMBER),
    **dict.fromkeys(("max_heartrate", "average_watts", "kilojoules", "max_watts", "weighted_average_watts"), NUMBER),
    **dict.fromkeys(("trainer", "commute", "manual", "private", "flagged", "hide_from_home", "has_heartrate"), (bool,)),
    **dict.fromkeys(("device_watts", "has_kudoed", "from_accepted_tag", "heartrate_opt_out"), (bool,)),
    **dict.fromkeys(("achievement_count", "kudos_count", "comment_count", "athlete_count", "photo_count"), (int,)),
    **dict.fromkeys(("total_photo_count", "pr_count"), (int,)),
    **dict.fromkeys(("workout_type", "upload_id"), (int, NONE)),
    **dict.fromkeys(("gear_id", "device_name", "external_id", "upload_id_str"), (str, NONE)),
    **dict.fromkeys(("location_city", "location_state", "location_country"), (NONE,)),
    "suffer_score": (int, float, NONE),
    "athlete": (dict,),
    "map": (dict, NONE),
    "start_latlng": (list,),
    "end_latlng": (list,),
}


def years(seed: int = 1) -> list[dict[str, Any]]:
    simulation = Simulation(seed=seed)
    simulation.add_athlete(42, years=4, per_year=400)
    return simulation.activities(42)


def test_every_field_occurs_with_its_types():
    said = years()
    for name, types in FIELDS.items():
        values = [each[name] for each in said if name in each]
        assert values, name
        assert {type(value) for value in values} <= set(types), name


def test_the_history_has_the_oddities_of_a_real_one():
    said = years()
    assert any(each["manual"] and "average_speed" not in each for each in said)
    assert any(each["upload_id"] and each["upload_id"] > 2**64 for each in said)
    assert all(each["id"] > 2**32 for each in said)
    assert {type(each["distance"]) for each in said} == {int, float}
    assert any(not each["name"] for each in said)
    assert any(len(each["name"]) > 100 for each in said)
    assert any(not each["name"].isascii() for each in said)
    assert any(each["start_date_local"].endswith("T00:00:01Z") for each in said)
    assert any(each["type"] == "Ride" and each["sport_type"] == "GravelRide" for each in said)
    assert any(each["private"] for each in said)
    assert (datetime.now(UTC) - datetime.fromisoformat(said[-1]["start_date"])).days < 1


def test_every_activity_is_a_valid_row():
    for each in years():
        raw = split_array(f"[{_json(each)}]")[0]
        assert isinstance(validate(raw, 42), Activity), each


def test_the_same_seed_gives_the_same_sports_and_another_seed_others():
    first, again, other = ([each["sport_type"] for each in years(seed)][:50] for seed in (1, 1, 2))
    assert first == again != other


def _json(said: dict[str, Any]) -> str:
    import json

    return json.dumps(said)
