"""Deletes what is older than the retention setting keeps: rows, rejects and raw objects alike."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from strava_assets.mirror.archive import (
    archived_ids_before,
    archives,
    archives_before,
    delete_archive_rows,
    delete_archived_before,
    fill,
)
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion import delete_before, ids_before
from strava_assets.raw.deletion import RawDeletion


@dataclass(frozen=True)
class DeletedByAge:
    """What was deleted; objects with all versions and delete markers."""

    objects: int
    rows: int
    rejects: int

    def __bool__(self) -> bool:
        return any((self.objects, self.rows, self.rejects))

    def __str__(self) -> str:
        return f"{self.objects} objects, {self.rows} rows, {self.rejects} rejects"


def delete_old_activities(
    engine: Engine,
    objects: RawDeletion,
    oldest_kept: datetime,
    redact: Callable[[Collection[int]], object],
) -> DeletedByAge:
    """Delete everything of hours before `oldest_kept`, the hour that Settings.oldest_kept names.

    `redact` takes activities, by their ids, out of what Dagster keeps. Objects go first, so that no row can be made
    from them again, rows last, since until then they say which ids those are. Repeating it is harmless.
    """
    deleted = objects.delete_before(oldest_kept)
    with transaction(engine) as connection:
        ids = ids_before(connection, oldest_kept)
    if ids:
        redact(ids)
    with transaction(engine) as connection:
        rows, rejects = delete_before(connection, oldest_kept)
        for athlete_id in {each.athlete_id for each in archives(connection)}:
            fill(connection, athlete_id)  # what was the API's is the archive's again
    return DeletedByAge(deleted, rows, rejects)


def delete_old_archives(
    engine: Engine,
    objects: RawDeletion,
    oldest_kept: datetime,
    redact: Callable[[Collection[int]], object],
) -> int:
    """Delete what bulk exports have of the time before `oldest_kept`; how many activities only they had.

    An export's objects go when all of it is older: they are one file. `redact` is as in `delete_old_activities`.
    """
    with transaction(engine) as connection:
        old = archives_before(connection, oldest_kept)
        ids = archived_ids_before(connection, oldest_kept)
    for athlete_id, archive in old:
        objects.delete_archive(athlete_id, archive)
    if ids:
        redact(ids)
    with transaction(engine) as connection:
        for athlete_id, archive in old:
            delete_archive_rows(connection, athlete_id, archive)
        return delete_archived_before(connection, oldest_kept)
