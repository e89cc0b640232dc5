"""From the bytes of an `activities.csv` to rows: all columns of it, and what Strava's API does not list."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection

from strava_assets.archive.activities import ArchivedActivity, ArchiveReject, read_activities
from strava_assets.archive.table import Table
from strava_assets.errors import ArchiveUnreadable
from strava_assets.mirror.archive import Archive, ArchiveRow, count_known, fill, owners, stage, store
from strava_assets.mirror.database import wait_for_other_loads

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class LoadedArchive:
    """What a load of an archive did, in rows of `activities.csv`."""

    language: str
    columns: int
    read: int
    inserted: int = 0
    """Now in strava_activity, and in no row before."""
    filled: int = 0
    """Were there from an older archive, and differ."""
    known: int = 0
    """Listed by Strava's API, whose rows stay as they are."""
    deleted: int = 0
    """The API listed them once and no longer does: they do not come back."""
    unchanged: int = 0
    too_old: int = 0
    """Older than the retention setting for archives keeps."""
    rejected: int = 0
    duplicates: list[int] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    """Activities by what they say of their track: `file`, `none`, or `error` where Strava could not export it."""
    named_files: list[str] = field(default_factory=list)
    newest: datetime = NEVER
    reasons: list[str] = field(default_factory=list)
    """Of each reject, its line and the first of its faults."""


def load(
    connection: Connection,
    athlete_id: int,
    archive: str,
    table: Table,
    *,
    name: str,
    oldest_kept: datetime | None = None,
) -> LoadedArchive:
    """Load an archive, all of it in the connection's transaction.

    Raises ArchiveUnreadable where the archive lists activities of another athlete.
    """
    loaded = LoadedArchive(
        table.columns.language_name, len(table.header), len(table.lines), duplicates=table.duplicates
    )
    rejects: list[ArchiveReject] = []
    wait_for_other_loads(connection, athlete_id)
    stage(connection, _rows(table, athlete_id, loaded, rejects, oldest_kept))
    if others := owners(connection, athlete_id):
        raise ArchiveUnreadable(
            f"{name} lists activities of athlete {others[0]}, not of {athlete_id}; nothing was imported."
        )
    if loaded.rejected == loaded.read:
        raise ArchiveUnreadable(
            f"{name}: none of its {loaded.read} rows is an activity, so nothing was imported ({loaded.reasons[0]})."
        )
    staged = loaded.files.total()
    loaded.known, loaded.deleted = count_known(connection, athlete_id)
    store(
        connection,
        Archive(athlete_id, archive, name, loaded.newest, loaded.language, loaded.columns, staged, loaded.rejected),
        ((each.line, _json(each.cells), _json(each.faults)) for each in rejects),
    )
    filled = fill(connection, athlete_id)
    loaded.inserted, loaded.filled = filled
    loaded.unchanged = max(0, staged - loaded.known - loaded.deleted - sum(filled))
    return loaded


def _rows(
    table: Table, athlete_id: int, loaded: LoadedArchive, rejects: list[ArchiveReject], oldest_kept: datetime | None
) -> Iterator[ArchiveRow]:
    """The rows to stage; what is seen on the way is counted."""
    now = datetime.now(UTC)
    for each in read_activities(table, athlete_id):
        if isinstance(each, ArchiveReject):
            loaded.rejected += 1
            rejects.append(each)
            loaded.reasons.append(f"line {each.line}: {each.faults[0]}")
            continue
        if each.start <= now:  # a device's clock may be ahead by years, the export is not
            loaded.newest = max(loaded.newest, each.start)
        if oldest_kept and each.start < oldest_kept:
            loaded.too_old += 1
            continue
        _count_file(each, loaded)
        row = each.activity.model_dump(mode="json", exclude_none=True)
        yield each.id, each.start.isoformat(), each.file, _json(each.columns), _json(row)


def _count_file(activity: ArchivedActivity, loaded: LoadedArchive) -> None:
    if activity.file:
        loaded.files["file"] += 1
        loaded.named_files.append(activity.file)
    else:
        loaded.files["error" if activity.columns.get("filename") else "none"] += 1


def _json(value: object) -> str:
    return orjson.dumps(value).decode().replace("\\u0000", "\N{REPLACEMENT CHARACTER}")
