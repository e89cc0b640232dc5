"""Imports a bulk export: the files that are used as they are, then the rows, then the tracks where they are wanted.

Interrupted anywhere, it can be repeated: what is there stays, and rows are written all at once.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from strava_assets.archive.export import STORED, Export
from strava_assets.archive.loading import LoadedArchive, load
from strava_assets.archive.owner import athlete_of
from strava_assets.archive.table import Table, read_table
from strava_assets.errors import ArchiveUnreadable
from strava_assets.mirror.archive import archives, delete_archive_rows, delete_orphans, fill
from strava_assets.mirror.database import transaction, wait_for_other_loads
from strava_assets.mirror.planner_statistics import update_statistics
from strava_assets.raw.archive_store import ACTIVITIES, ArchiveStore
from strava_assets.raw.deletion import RawDeletion


@dataclass(frozen=True)
class RawArchive:
    """An export whose files are in the bucket."""

    athlete_id: int
    archive: str
    """First 12 hex digits of the SHA-256 of its activities.csv."""
    activities: bytes
    table: Table
    kinds: dict[str, int]


@dataclass
class Tracks:
    """What became of the original recordings."""

    copied: int = 0
    bytes: int = 0
    present: int = 0
    """Were in the bucket already."""
    damaged: list[str] = field(default_factory=list)


def identify(export: Export, athlete_id: int | None = None) -> RawArchive:
    """Whose export it is and which, and its table, before anything is written.

    Raises ArchiveUnreadable where it is none, is not understood, or is another athlete's.
    """
    owner = athlete_of(export, athlete_id)
    data = export.read(ACTIVITIES)
    return RawArchive(owner, hashlib.sha256(data).hexdigest()[:12], data, read_table(data), export.kinds())


def keep_tables(store: ArchiveStore, export: Export, raw: RawArchive) -> None:
    """Put the tables of the export that are used into the bucket, byte for byte."""
    files = [(name, raw.activities if name == ACTIVITIES else export.read(name)) for name in STORED if export.has(name)]
    # activities.csv last: where it is, the export is whole.
    list(store.write_archive_files(raw.athlete_id, raw.archive, iter(files[1:])))
    list(store.write_archive_files(raw.athlete_id, raw.archive, iter(files[:1])))


def keep_tracks(store: ArchiveStore, export: Export, raw: RawArchive, on_progress: Callable[[int], None]) -> Tracks:
    """Put the original recordings into the bucket, those that are not there yet; a damaged one is left out.

    `on_progress` is given how many bytes of them are there.
    """
    present = store.archive_files(raw.athlete_id, raw.archive)
    wanted = export.tracks()
    missing = [path for path in wanted if present.get(path) != export.files.size(path)]
    tracks = Tracks(present=len(wanted) - len(missing))
    there = sum(export.files.size(path) for path in set(wanted) - set(missing))

    def files() -> Iterator[tuple[str, bytes]]:
        for path in missing:
            try:
                yield path, export.read(path)
            except ArchiveUnreadable as error:
                tracks.damaged.append(str(error))

    for _, size in store.write_archive_files(raw.athlete_id, raw.archive, files()):
        tracks.copied += 1
        tracks.bytes += size
        on_progress(there + tracks.bytes)
    return tracks


def load_and_keep_tables(
    engine: Engine, store: ArchiveStore, export: Export, raw: RawArchive, oldest_kept: datetime | None, *, dry_run: bool
) -> LoadedArchive:
    """Load an export, and put its tables into the bucket just before the rows are there for others.

    A dry run is rolled back, so that its figures are true, too.
    """
    with transaction(engine) as connection:
        loaded = load(connection, raw.athlete_id, raw.archive, raw.table, name=export.name, oldest_kept=oldest_kept)
        if dry_run:
            connection.rollback()
        else:
            update_statistics(connection, loaded.inserted)
            keep_tables(store, export, raw)
    return loaded


def load_from_bucket(
    engine: Engine,
    store: ArchiveStore,
    athlete_id: int,
    archive: str,
    oldest_kept: datetime | None = None,
    *,
    new_name: str | None = None,
) -> LoadedArchive:
    """Load an archive that is in the bucket; `new_name` is what one that is new was called."""
    with transaction(engine) as connection:
        names = {each.archive: each.name for each in archives(connection, athlete_id)}
    table = read_table(store.read_archive_file(athlete_id, archive, ACTIVITIES))
    name = names.get(archive, new_name or archive)
    with transaction(engine) as connection:
        loaded = load(connection, athlete_id, archive, table, name=name, oldest_kept=oldest_kept)
        update_statistics(connection, loaded.inserted)
    return loaded


def delete_archive(
    engine: Engine, store: ArchiveStore, objects: RawDeletion, athlete_id: int, archive: str
) -> tuple[int, int]:
    """Delete an archive: its objects, and the rows that only it has; how many of each.

    Objects go first, so that no row can be made from them again. Repeating it is harmless.
    """
    deleted = objects.delete_archive(athlete_id, archive)
    with transaction(engine) as connection:
        wait_for_other_loads(connection, athlete_id)
        delete_archive_rows(connection, athlete_id, archive)
        others = [each.archive for each in archives(connection, athlete_id)]
    for other in others:  # what this one's newer rows stood for
        load_from_bucket(engine, store, athlete_id, other)
    with transaction(engine) as connection:
        wait_for_other_loads(connection, athlete_id)
        orphans = delete_orphans(connection, athlete_id)
        fill(connection, athlete_id)
    return deleted, orphans
