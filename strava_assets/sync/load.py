"""Raw objects → Postgres: make the mirror of a window equal what the bucket states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine

from strava_assets.errors import AthleteError, RawObjectMissing
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import Loaded, mirror
from strava_assets.raw.snapshot import HourSnapshot
from strava_assets.raw.store import RawStore


@dataclass
class Mirrored:
    """What was mirrored, all athletes together."""

    loaded: Loaded = field(default_factory=Loaded)
    errors: dict[int, AthleteError] = field(default_factory=dict)


def mirror_window(
    store: RawStore, engine: Engine, window: Window, guard_of: Callable[[int], DeletionGuard]
) -> Mirrored:
    """Make every athlete's rows of the window equal their raw objects, a transaction an athlete.

    Raises RawObjectMissing for a single hour that nobody has an object of. One athlete's trouble is noted,
    and the others go on; it is raised when it was everybody's.
    """
    mirrored = Mirrored()
    athletes = store.athletes()
    for athlete_id in athletes:
        try:
            with transaction(engine) as connection:
                statements = _statements(store, athlete_id, window)
                mirrored.loaded += mirror(connection, athlete_id, statements, guard_of(athlete_id))
        except AthleteError as trouble:
            mirrored.errors[athlete_id] = trouble
    if mirrored.errors and len(mirrored.errors) == len(athletes):
        raise next(iter(mirrored.errors.values()))
    if mirrored.loaded.hours == 0 and window == Window.of(window.start, window.start):
        raise RawObjectMissing(
            f"The hour {window} was never fetched, so nothing is known of it. Materialise raw_activities first."
        )
    return mirrored


def _statements(store: RawStore, athlete_id: int, window: Window) -> Iterator[HourSnapshot]:
    objects = store.objects(athlete_id, window)
    for hour, activities in store.read(athlete_id, list(objects)):
        yield HourSnapshot(hour, objects[hour].last_modified, objects[hour].etag, activities)
