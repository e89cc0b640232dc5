"""What is fetched is written only while its athlete is logged in: a purge comes before or after, never in between."""

import json

import pytest
from redis import Redis

from strava_assets.errors import AthleteGone
from strava_assets.mirror.database import engine_for
from strava_assets.provisioning import migrate
from strava_assets.services import open_client
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.tokens import TokenStore
from strava_assets.sync.presence import while_logged_in


def test_nothing_is_written_for_an_athlete_who_left_after_the_listing(
    environment: dict[str, str], simulation: Simulation
):
    settings, redis = Settings.from_environment(), Redis.from_url(environment["REDIS_URL"])
    migrate(settings.database_url)
    simulation.add_athlete(42)
    redis.set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    engine, written = engine_for(settings.database_url), []
    with open_client(settings) as client:
        (athlete,) = client.athletes()
        with while_logged_in(engine, client, athlete):
            written.append("before")
        TokenStore(redis).delete_athlete(42)
        with pytest.raises(AthleteGone), while_logged_in(engine, client, athlete):
            written.append("after")
    assert written == ["before"]
