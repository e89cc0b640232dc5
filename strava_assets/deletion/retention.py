"""Deletes what is older than the retention setting keeps: rows, rejects and raw objects alike."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion import remove_before
from strava_assets.raw.deletion import RawDeletion


@dataclass(frozen=True)
class Pruned:
    """What was deleted; objects with all versions and delete markers."""

    objects: int
    rows: int
    rejects: int


def prune(engine: Engine, objects: RawDeletion, oldest_kept: datetime) -> Pruned:
    """Delete everything of hours before `oldest_kept`, the hour that Settings.oldest_kept names.

    Objects go first, so that no row can be made from them again. Repeating it is harmless.
    """
    deleted = objects.delete_before(oldest_kept)
    with transaction(engine) as connection:
        removed = remove_before(connection, oldest_kept)
    return Pruned(deleted, removed.rows, removed.rejects)
