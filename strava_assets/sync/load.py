"""Raw objects → Postgres: make the mirror of a window equal what the bucket states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine

from strava_assets.errors import RawObjectMissing, StravaAssetsError, TooManyDeletions
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import Loaded, mirror
from strava_assets.raw.snapshot import HourSnapshot
from strava_assets.raw.store import RawStore
from strava_assets.sync.athletes import each_athlete


@dataclass
class Mirrored:
    """What was mirrored, all athletes together."""

    loaded: Loaded = field(default_factory=Loaded)
    errors: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes who could not be loaded, wholly or in part, and why."""


def mirror_window(
    store: RawStore, engine: Engine, window: Window, guard_of: Callable[[int], DeletionGuard]
) -> Mirrored:
    """Make every athlete's rows of the window equal their raw objects, a transaction an athlete.

    Raises RawObjectMissing for a single hour that nobody has an object of. One athlete's error is noted,
    and the others go on; it is raised when it was everybody's. Rows that were kept though no object holds them any
    more are an error that is never raised.
    """
    mirrored = Mirrored()

    def load(athlete_id: int) -> None:
        with transaction(engine) as connection:
            loaded = mirror(connection, athlete_id, _snapshots(store, athlete_id, window), guard_of(athlete_id))
        mirrored.loaded += loaded
        if loaded.held_back:
            kept[athlete_id] = TooManyDeletions(
                f"{loaded.held_back} rows of athlete {athlete_id} are in no raw object any more, and were kept: more "
                "than a run may delete. The next comparison fetches their hours again.",
                athlete_id,
            )

    kept: dict[int, StravaAssetsError] = {}
    mirrored.errors = each_athlete(store.athletes(), load) | kept
    if mirrored.loaded.hours == 0 and window == Window.of(window.start, window.start):
        raise RawObjectMissing(
            f"The hour {window} was never fetched, so nothing is known of it. Materialise raw_activities first."
        )
    return mirrored


def _snapshots(store: RawStore, athlete_id: int, window: Window) -> Iterator[HourSnapshot]:
    objects = store.objects(athlete_id, window)
    for hour, activities in store.read(athlete_id, list(objects)):
        yield HourSnapshot(hour, objects[hour].last_modified, objects[hour].etag, activities)
