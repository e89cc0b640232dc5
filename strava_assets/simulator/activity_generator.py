"""One activity as GET /athlete/activities lists it, with all that real ones have: nulls, gaps, whole floats.

What the fields mean: strava_assets.mirror.activity, https://developers.strava.com/docs/reference/#api-models-SummaryActivity
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from strava_assets.simulator.gps_routes import Place, Route


class Sport(NamedTuple):
    """A sport: its speed in m/s, how long it takes in hours, metres climbed a km at most, how often it is done."""

    sport_type: str
    type: str
    speed: float
    hours: float
    climb: float
    weight: int


SPORTS = (
    Sport("Run", "Run", 3.0, 0.9, 18, 34),
    Sport("TrailRun", "Run", 2.4, 1.6, 60, 6),
    Sport("Ride", "Ride", 7.5, 2.2, 20, 22),
    Sport("GravelRide", "Ride", 6.1, 2.6, 26, 6),
    Sport("VirtualRide", "VirtualRide", 8.8, 1.1, 0, 10),
    Sport("Swim", "Swim", 0.9, 0.8, 0, 8),
    Sport("Hike", "Hike", 1.1, 3.0, 120, 5),
    Sport("WeightTraining", "WeightTraining", 0.0, 0.7, 0, 6),
    Sport("PadelTennis", "Workout", 0.0, 1.2, 0, 3),  # sports come without notice
)
WEIGHTS = [sport.weight for sport in SPORTS]
NAMES = (
    "Long {}", "{} with Zoë & Łukasz", "朝の{}", "{} 🏃‍♀️💨", "Intervals 5×1000 m", 'The "{}" of the year',
    "", "A" * 140, "טיול {}", "back\\slash\ttab", "{} for 👨‍👩‍👧, 3/4 done",
)  # fmt: skip
DAYTIMES = ((5, "Night"), (11, "Morning"), (14, "Lunch"), (18, "Afternoon"), (22, "Evening"), (24, "Night"))
WORKOUTS: dict[str, tuple[int | None, ...]] = {"Run": (None, 0, 1, 2, 3), "Ride": (None, 10, 11, 12)}
HUGE_UPLOAD_ID = 987_654_321_234_567_891_234
"""The example in Strava's OpenAPI file; it does not fit into 64 bits."""


@dataclass(frozen=True)
class Home:
    """Where an athlete is, and the time there."""

    timezone: str
    standard_offset: float
    place: Place

    def offset(self, day: datetime) -> timedelta:
        """Local time less UTC; summer time is taken to last from April to October."""
        return timedelta(seconds=self.standard_offset + (3600 if 4 <= day.month <= 10 else 0))


HOMES = (
    Home("(GMT+01:00) Europe/Zurich", 3600.0, (47.3769, 8.5417)),
    Home("(GMT-08:00) America/Los_Angeles", -28800.0, (34.0522, -118.2437)),
)


@dataclass(frozen=True)
class Athlete:
    """What stays the same from activity to activity."""

    id: int
    pace: float
    gear: Mapping[str, str]
    """The bike or the shoes of a type of sport."""
    routes: Mapping[Home, Sequence[Route]]


def generate_activity(
    athlete: Athlete, activity_id: int, start: datetime, home: Home, chance: random.Random
) -> dict[str, Any]:
    """An activity that starts there and then; what it is, chance decides."""
    sport = chance.choices(SPORTS, weights=WEIGHTS)[0]
    moving = int(3600 * sport.hours * chance.uniform(0.4, 1.6))
    metres = round(sport.speed * athlete.pace * moving * chance.uniform(0.85, 1.15), 1)
    climbed = chance.uniform(0, sport.climb) * metres / 1000
    is_manual = chance.random() < 0.04
    is_outdoors = sport.speed > 0 and sport.type != "VirtualRide" and not is_manual
    route = chance.choice(athlete.routes[home]) if is_outdoors else None
    offset = home.offset(start)
    fields: dict[str, Any] = {
        "resource_state": 2,
        "athlete": {"id": athlete.id, "resource_state": 1},
        "name": _name(sport, start + offset, chance),
        "distance": _maybe_whole(metres, chance),
        "moving_time": moving,
        "elapsed_time": moving if is_manual else moving + chance.randrange(1200),
        "total_elevation_gain": _maybe_whole(round(climbed, 1), chance) if is_outdoors else 0,
        "type": sport.type,
        "sport_type": sport.sport_type,
        "workout_type": chance.choice(WORKOUTS.get(sport.type, (None,))),
        "device_name": None if is_manual else _device(sport, chance),
        "id": activity_id,
        "start_date": strava_time(start),
        "start_date_local": strava_time(start + offset),
        "timezone": home.timezone,
        "utc_offset": offset.total_seconds(),
        "location_city": None,
        "location_state": None,
        "location_country": None,
        **_company(chance),
        "map": {"id": f"a{activity_id}", "summary_polyline": route.polyline if route else "", "resource_state": 2},
        "trainer": sport.type == "VirtualRide",
        "commute": chance.random() < 0.05,
        "manual": is_manual,
        **_privacy(chance),
        "flagged": chance.random() < 0.002,
        "gear_id": chance.choice([athlete.gear.get(sport.type), athlete.gear.get(sport.type), None]),
        "start_latlng": list(route.start) if route else [],
        "end_latlng": list(route.end) if route else [],
    }
    if is_manual:
        fields |= {"upload_id": None, "external_id": None, "map": None, "start_latlng": None, "end_latlng": None}
        return fields | {"has_heartrate": False} | ({"average_speed": 0, "max_speed": 0} if metres % 2 < 1 else {})
    upload_id = HUGE_UPLOAD_ID if chance.random() < 0.01 else activity_id + 1_000_000_007
    fields |= {"upload_id": upload_id, "upload_id_str": str(upload_id), "external_id": f"garmin_ping_{activity_id}"}
    fields |= _speeds(metres, moving, chance) | _heart(chance) | _sensors(sport, moving, chance)
    if is_outdoors:
        fields |= {"elev_high": round(chance.uniform(450, 1900), 1), "elev_low": chance.randrange(380, 450)}
    return fields


def strava_time(moment: datetime) -> str:
    """A moment as Strava writes it, local ones with the same false `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(sport: Sport, local: datetime, chance: random.Random) -> str:
    """Mostly the name that Strava gives; some that an athlete thought of."""
    if chance.random() < 0.25:
        return chance.choice(NAMES).format(sport.sport_type)
    daytime = next(name for until, name in DAYTIMES if local.hour < until)
    return f"{daytime} {sport.sport_type}"


def _maybe_whole(value: float, chance: random.Random) -> float:
    """Strava prints some whole floats without a fraction, and some with one."""
    return int(value) if chance.random() < 0.1 else value


def _device(sport: Sport, chance: random.Random) -> str:
    if sport.type == "VirtualRide":
        return "Zwift"
    return chance.choice(("Garmin Forerunner 265", "Wahoo ELEMNT BOLT", "Apple Watch Ultra 2"))


def _company(chance: random.Random) -> dict[str, Any]:
    return {
        "achievement_count": chance.randrange(9),
        "kudos_count": chance.randrange(60),
        "comment_count": chance.randrange(8),
        "athlete_count": chance.choice((1, 1, 1, 2, 5)),
        "photo_count": 0,
        "pr_count": chance.randrange(4),
        "total_photo_count": chance.randrange(3),
        "has_kudoed": False,
    }


def _privacy(chance: random.Random) -> dict[str, Any]:
    is_private = chance.random() < 0.08
    return {
        "private": is_private,
        "visibility": "only_me" if is_private else chance.choice(("everyone", "followers_only")),
        "hide_from_home": chance.random() < 0.03,
        "from_accepted_tag": False,
    }


def _speeds(metres: float, moving: int, chance: random.Random) -> dict[str, Any]:
    average = round(metres / moving, 3)
    top = average * chance.uniform(1.2, 2.2)
    return {"average_speed": average or 0, "max_speed": int(top) if chance.random() < 0.1 else round(top, 3)}


def _heart(chance: random.Random) -> dict[str, Any]:
    is_opted_out = chance.random() < 0.02
    fields = {"heartrate_opt_out": is_opted_out, "display_hide_heartrate_option": True}
    if is_opted_out or chance.random() < 0.12:
        return fields | {"has_heartrate": False} | ({"suffer_score": None} if chance.random() < 0.5 else {})
    beats = round(chance.uniform(110, 165), 1)
    return fields | {
        "has_heartrate": True,
        "average_heartrate": _maybe_whole(beats, chance),
        "max_heartrate": round(beats * 1.15),
        "suffer_score": chance.randrange(5, 200),
    }


def _sensors(sport: Sport, moving: int, chance: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if sport.type in {"Run", "Ride", "VirtualRide"}:
        fields["average_cadence"] = round(chance.uniform(70, 92), 1)
    is_ride = sport.type in {"Ride", "VirtualRide"}
    if is_ride or (sport.type == "Run" and chance.random() < 0.2):
        watts = round(chance.uniform(120, 260), 1)
        fields |= {"average_watts": watts, "kilojoules": round(watts * moving / 1000, 1)}
        fields["device_watts"] = not is_ride or chance.random() < 0.6  # else Strava's own estimate
        if fields["device_watts"]:
            fields |= {"max_watts": int(watts * 3), "weighted_average_watts": int(watts * 1.08)}
    if chance.random() < 0.5:
        fields["average_temp"] = chance.randrange(-5, 34)
    return fields
