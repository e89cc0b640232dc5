"""Raw objects → Postgres: make the mirror of a window equal what the bucket states."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from strava_assets.errors import PartlyLoaded, RawObjectMissing, StatementRefused, StravaAssetsError, UnreadableObject
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import Loaded, load_snapshots
from strava_assets.raw.snapshot import HourSnapshot
from strava_assets.raw.store import RawObject, RawStore
from strava_assets.sync.athletes import each_athlete
from strava_assets.sync.pieces import in_pieces


@dataclass
class Mirrored:
    """What was mirrored, all athletes together."""

    loaded: Loaded = field(default_factory=Loaded)
    errors: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes who could not be loaded, wholly or in part, and why."""
    hours: dict[int, set[datetime]] = field(default_factory=dict)
    """By athlete: the hours of the window that have a raw object."""


def load_window(store: RawStore, engine: Engine, window: Window, guard: DeletionGuard) -> Mirrored:
    """Make every athlete's rows of the window equal their raw objects, a transaction an athlete.

    Raises RawObjectMissing for a single hour that nobody has an object of. One athlete's error is noted, and the
    others go on; it is raised when it was everybody's. Where single hours are to blame, all others are loaded.
    """
    mirrored = Mirrored()
    partly: dict[int, StravaAssetsError] = {}

    def load_athlete(athlete_id: int) -> None:
        objects = store.objects(athlete_id, window)
        mirrored.hours[athlete_id] = set(objects)
        held_back = 0

        def load(hours: Sequence[datetime]) -> None:
            nonlocal held_back
            with transaction(engine) as connection:
                loaded = load_snapshots(connection, athlete_id, _snapshots(store, athlete_id, objects, hours), guard)
            mirrored.loaded += loaded
            held_back += loaded.held_back

        failed = in_pieces(list(objects), load, splittable=(StatementRefused, UnreadableObject))
        problems = [f"{Window.of(hour, hour)} could not be loaded: {error}" for hour, error in failed.items()]
        if held_back:
            problems.append(
                f"{held_back} rows are no longer in any raw object. They were kept: more than a run may delete. The "
                "next comparison fetches their hours again."
            )
        if problems:
            partly[athlete_id] = PartlyLoaded(f"Athlete {athlete_id}: {' '.join(problems)}", athlete_id)

    mirrored.errors = each_athlete(store.athletes(), load_athlete) | partly
    if mirrored.loaded.hours == 0 and window.is_single_hour:
        raise RawObjectMissing(
            f"The hour {window} was never fetched, so nothing is known of it. Materialise raw_activities first."
        )
    return mirrored


def _snapshots(
    store: RawStore, athlete_id: int, objects: Mapping[datetime, RawObject], hours: Sequence[datetime]
) -> Iterator[HourSnapshot]:
    for hour, activities in store.read(athlete_id, hours):
        yield HourSnapshot(hour, objects[hour].last_modified, objects[hour].etag, activities)
