"""What is fetched is written only while its athlete is still there, so that nothing comes back after a purge."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from strava_assets.mirror.database import athlete_locked
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete


@contextmanager
def while_logged_in(engine: Engine, client: StravaClient, athlete: Athlete) -> Iterator[None]:
    """Hold the lock that a purge takes, too, while rows or objects of the athlete are written.

    Raises AthleteGone, with nothing written, if the athlete was logged out or purged meanwhile.
    """
    with athlete_locked(engine, athlete.id):
        client.require_login(athlete)
        yield
