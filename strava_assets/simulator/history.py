"""A real-looking athlete's years: runs, rides, swims, oddities. The same seed gives the same history.

Shaped after what the API sends; see strava_assets.mirror.activity for what the fields mean.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

ZONES = (("(GMT+01:00) Europe/Zurich", 3600.0), ("(GMT-08:00) America/Los_Angeles", -28800.0))
SPORTS = (
    # sport_type, type, metres per second, hours, weight
    ("Run", "Run", 3.0, 0.9, 34),
    ("TrailRun", "Run", 2.4, 1.6, 6),
    ("Ride", "Ride", 7.5, 2.2, 22),
    ("GravelRide", "Ride", 6.1, 2.6, 6),
    ("VirtualRide", "VirtualRide", 8.8, 1.1, 10),
    ("Swim", "Swim", 0.9, 0.8, 8),
    ("Hike", "Hike", 1.1, 3.0, 5),
    ("WeightTraining", "WeightTraining", 0.0, 0.7, 6),
    ("PadelTennis", "Workout", 0.0, 1.2, 3),  # sports come without notice
)
NAMES = (
    "Morning {}", "Evening {}", "Lunch {}", "Long {}", "{} with Zoë & Łukasz", "朝の{}", "{} 🏃‍♀️💨",
    "Intervals 5×1000 m",     'The "{}" of the year', "", "A" * 140,
)  # fmt: skip
FIRST_ID = 9_000_000_000
STEP = 7_919


def history(athlete_id: int, *, start: datetime, end: datetime, per_year: int, seed: int) -> Iterator[dict[str, Any]]:
    """The athlete's activities from `start` to `end`, oldest first; some of them in the last day."""
    chance = random.Random(f"{seed}/{athlete_id}/{start:%Y-%m-%dT%H}")
    days = (end - start) / timedelta(days=1)
    count = round(days / 365.25 * per_year)
    moments = sorted(chance.uniform(0, days) for _ in range(count))
    moments += [days - 0.9, days - 0.3] if days > 1 else []
    gear = [f"b{chance.randrange(10**7)}", f"g{chance.randrange(10**7)}", None]
    base = FIRST_ID + athlete_id % 1000 * 10**9 + int(start.timestamp())
    for number, day in enumerate(moments):
        moment = (start + timedelta(days=day)).replace(microsecond=0)
        yield activity(athlete_id, base + number * STEP, moment, chance, gear)


def activity(
    athlete_id: int, activity_id: int, start: datetime, chance: random.Random, gear: list[str | None]
) -> dict[str, Any]:
    """One activity as GET /athlete/activities lists it."""
    sport, kind, speed, hours, _ = chance.choices(SPORTS, weights=[each[4] for each in SPORTS])[0]
    zone, offset = ZONES[0] if chance.random() < 0.9 else ZONES[1]
    if chance.random() < 0.02:  # a hidden start says one second past midnight of the local day
        local_midnight = (start + timedelta(seconds=offset)).replace(hour=0, minute=0, second=1)
        start = local_midnight - timedelta(seconds=offset)
    moving = int(3600 * hours * chance.uniform(0.4, 1.6))
    metres = round(speed * moving * chance.uniform(0.85, 1.15), 1) if speed else 0
    is_manual = chance.random() < 0.04
    outdoors = speed > 0 and kind != "VirtualRide" and not is_manual
    private = chance.random() < 0.08
    said: dict[str, Any] = {
        "resource_state": 2,
        "athlete": {"id": athlete_id, "resource_state": 1},
        "name": chance.choice(NAMES).format(sport),
        "distance": int(metres) if metres == int(metres) or chance.random() < 0.1 else metres,
        "moving_time": moving,
        "elapsed_time": moving if is_manual else moving + chance.randrange(0, 1200),
        "total_elevation_gain": round(chance.uniform(0, 900), 1) if outdoors else 0,
        "type": kind,
        "sport_type": sport,
        "workout_type": chance.choice([None, 0, 3, 10]),
        "device_name": None if is_manual else chance.choice(["Garmin Forerunner 265", "Wahoo ELEMNT BOLT", "Zwift"]),
        "id": activity_id,
        "start_date": said_moment(start),
        "start_date_local": said_moment(start + timedelta(seconds=offset)),
        "timezone": zone,
        "utc_offset": offset,
        "location_city": None,
        "location_state": None,
        "location_country": None,
        "achievement_count": chance.randrange(0, 9),
        "kudos_count": chance.randrange(0, 60),
        "comment_count": chance.randrange(0, 8),
        "athlete_count": chance.choice([1, 1, 1, 2, 5]),
        "photo_count": 0,
        "map": {
            "id": f"a{activity_id}",
            "summary_polyline": _polyline(chance) if outdoors else "",
            "resource_state": 2,
        },
        "trainer": kind == "VirtualRide",
        "commute": chance.random() < 0.05,
        "manual": is_manual,
        "private": private,
        "visibility": "only_me" if private else chance.choice(["everyone", "followers_only"]),
        "flagged": False,
        "gear_id": chance.choice(gear),
        "start_latlng": [round(chance.uniform(46, 48), 6), round(chance.uniform(7, 10), 6)] if outdoors else [],
        "end_latlng": [round(chance.uniform(46, 48), 6), round(chance.uniform(7, 10), 6)] if outdoors else [],
        "heartrate_opt_out": False,
        "display_hide_heartrate_option": True,
        "hide_from_home": chance.random() < 0.03,
        "from_accepted_tag": False,
        "pr_count": chance.randrange(0, 4),
        "total_photo_count": chance.randrange(0, 3),
        "has_kudoed": False,
    }
    if is_manual:
        said |= {"upload_id": None, "external_id": None, "map": None, "has_heartrate": False}
        return said
    upload = 987_654_321_234_567_891_234 if chance.random() < 0.01 else activity_id + 1_000_000_007
    said |= {"upload_id": upload, "upload_id_str": str(upload), "external_id": f"garmin_ping_{activity_id}"}
    said |= _speeds(metres, moving, chance) | _sensors(kind, moving, chance)
    if outdoors:
        said |= {"elev_high": round(chance.uniform(450, 1900), 1), "elev_low": chance.randrange(380, 450)}
    return said


def said_moment(moment: datetime) -> str:
    """A moment as Strava writes it, local ones with the same false `Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _speeds(metres: float, moving: int, chance: random.Random) -> dict[str, Any]:
    average = round(metres / moving, 3)
    top = average * chance.uniform(1.2, 2.2)
    # Whole numbers print without a fraction.
    return {
        "average_speed": average if average else 0,
        "max_speed": int(top) if chance.random() < 0.1 else round(top, 3),
    }


def _sensors(kind: str, moving: int, chance: random.Random) -> dict[str, Any]:
    said: dict[str, Any] = {"has_heartrate": chance.random() < 0.85}
    if said["has_heartrate"]:
        beats = round(chance.uniform(110, 165), 1)
        said |= {
            "average_heartrate": beats,
            "max_heartrate": round(beats * 1.15),
            "suffer_score": chance.randrange(5, 200),
        }
    if kind in {"Run", "Ride", "VirtualRide"}:
        said["average_cadence"] = round(chance.uniform(70, 92), 1)
    if kind in {"Ride", "VirtualRide"}:
        watts = round(chance.uniform(120, 260), 1)
        has_meter = chance.random() < 0.6
        said |= {"average_watts": watts, "kilojoules": round(watts * moving / 1000, 1), "device_watts": has_meter}
        if has_meter:
            said |= {"max_watts": int(watts * 3), "weighted_average_watts": int(watts * 1.08)}
    if chance.random() < 0.5:
        said["average_temp"] = chance.randrange(-5, 34)
    return said


def _polyline(chance: random.Random) -> str:
    """What looks like an encoded polyline; all its characters lie between ? and ~, backslash included."""
    return "".join(chr(chance.randrange(63, 127)) for _ in range(chance.randrange(40, 240)))


def years_before(end: datetime, years: float) -> datetime:
    """The midnight so many years before."""
    return (end - timedelta(days=365.25 * years)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
