"""When an athlete does something: days of rest and of training, trips, hidden starts.

Every day depends on seed, athlete and date alone. So the same seed gives the same history whenever it is asked
for, and a history that is continued later equals one that never stopped.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from strava_assets.simulator.activity_generator import HOMES, Athlete, Home, generate_activity, strava_time
from strava_assets.simulator.gps_routes import routes

PROCESSING = timedelta(minutes=5)
"""An activity appears only so long after its end."""
LATEST = timedelta(hours=8)
"""A history that reaches to now has something that started so long ago, or less than a day ago."""
INTENSITIES = (0.0, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0)
"""Rest days and hard days; one on average."""
HOURS = (*(1,) * 6, *(8, 12, 10, 6, 5, 5, 9, 6, 4, 4, 5, 12, 14, 10), *(3, 2, 1, 1))
"""How often an activity starts in each local hour."""
TRIP, HIDDEN, TWO_DEVICES = 0.1, 0.03, 0.01
"""How many weeks are spent away, days are hidden, activities recorded twice."""


def history(athlete_id: int, *, start: datetime, end: datetime, per_year: int, seed: int) -> Iterator[dict[str, Any]]:
    """The athlete's activities that started from `start` on and are listed at `end`, day by day."""
    athlete = _athlete(athlete_id, seed)
    newest = start
    day = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    while day < end:
        for moment, activity in _day(athlete, day, per_year, seed):
            if start <= moment and moment + timedelta(seconds=activity["elapsed_time"]) + PROCESSING <= end:
                newest = max(newest, moment)
                yield activity
        day += timedelta(days=1)
    if end - newest >= timedelta(days=1):
        latest = (end - LATEST).astimezone(UTC).replace(minute=17, second=23, microsecond=0)
        chance = random.Random(f"{seed}/{athlete_id}/latest/{latest:%Y-%m-%dT%H}")
        yield generate_activity(athlete, _id(athlete, latest), latest, _home(athlete, latest, seed), chance)


def years_before(end: datetime, years: float) -> datetime:
    """The midnight a number of years before."""
    return (end - timedelta(days=365.25 * years)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _athlete(athlete_id: int, seed: int) -> Athlete:
    chance = random.Random(f"{seed}/{athlete_id}")
    pace, bike, shoes = chance.uniform(0.85, 1.15), f"b{chance.randrange(10**7)}", f"g{chance.randrange(10**7)}"
    return Athlete(
        id=athlete_id,
        pace=pace,
        gear={"Ride": bike, "VirtualRide": bike, "Run": shoes, "Hike": shoes},
        routes={home: routes(chance, home.place) for home in HOMES},
    )


def _day(athlete: Athlete, day: datetime, per_year: int, seed: int) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What starts on that local day, with the true start."""
    chance = random.Random(f"{seed}/{athlete.id}/{day:%Y-%m-%d}")
    home = _home(athlete, day, seed)
    number = int(per_year / 365.25 * chance.choice(INTENSITIES) + chance.random())
    is_hidden = chance.random() < HIDDEN
    hours = chance.choices(range(24), weights=HOURS, k=number)
    for second in sorted({hour * 3600 + chance.randrange(3600) for hour in hours}):
        moment = day + timedelta(seconds=second) - home.offset(day)
        activity = generate_activity(athlete, _id(athlete, moment), moment, home, chance)
        if is_hidden:
            hidden = day + timedelta(seconds=1)
            activity |= {"start_date": strava_time(hidden - home.offset(day)), "start_date_local": strava_time(hidden)}
        yield moment, activity
        if chance.random() < TWO_DEVICES:
            again = moment + timedelta(seconds=4)
            yield again, generate_activity(athlete, _id(athlete, again), again, home, chance)


def _home(athlete: Athlete, day: datetime, seed: int) -> Home:
    week = day.toordinal() // 7
    return HOMES[random.Random(f"{seed}/{athlete.id}/week {week}").random() < TRIP]


def _id(athlete: Athlete, moment: datetime) -> int:
    """Ids grow with time, are larger than 32 bits, and differ between athletes."""
    return int(moment.timestamp()) * 1000 + athlete.id % 1000
