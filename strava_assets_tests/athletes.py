"""Athletes of the simulated Strava, as tests need them: logged in, with activities at certain moments."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation


def log_in(environment: Mapping[str, str], simulation: Simulation, athlete_id: int = 42, **fields: object) -> None:
    """Store a token of the athlete, with these `fields` changed, where the first athlete's token lies."""
    token = json.dumps({**simulation.grant(athlete_id), **fields})
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", token)


def at(hour: datetime, second: int = 1) -> str:
    """A start in the hour, as Strava writes it."""
    return strava_time(hour + timedelta(seconds=second))


def add_more_than_a_page(simulation: Simulation, window: Window) -> None:
    """Give the first athlete 250 activities, close together, from the window's start on."""
    for number in range(250):
        simulation.add_activity(42, start_date=at(window.start, 170 * number))
