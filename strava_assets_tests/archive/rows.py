"""Loads archives and hours of the API for tests, and reads what is in the tables."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from strava_assets.archive.loading import LoadedArchive, load
from strava_assets.archive.table import read_table
from strava_assets.hours import floor_to_hour
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import Loaded as Mirrored
from strava_assets.mirror.load import load_snapshots
from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.raw.snapshot import HourSnapshot
from strava_assets_tests.archive.exports import ExportFile

ATHLETE = 42
UNGUARDED = DeletionGuard(max_share=1.0)
ApiActivity = Mapping[str, Any]


def import_archive(engine: Engine, export: ExportFile, **options: Any) -> LoadedArchive:
    with transaction(engine) as connection:
        return load_export(connection, export, **options)


def load_export(connection: Connection, export: ExportFile, **options: Any) -> LoadedArchive:
    data = export.csv()
    archive = hashlib.sha256(data).hexdigest()[:12]
    return load(connection, export.athlete_id, archive, read_table(data), name="export_42.zip", **options)


def hour_of(activity_json: ApiActivity) -> datetime:
    return floor_to_hour(datetime.fromisoformat(activity_json["start_date"]))


def refresh(
    engine: Engine, world: Iterable[ApiActivity], hours: Iterable[datetime], guard: DeletionGuard = UNGUARDED
) -> Mirrored:
    """Have the API state these hours, as the world is now."""
    by_hour: dict[datetime, list[RawActivity]] = {hour: [] for hour in hours}
    for activity_json in world:
        if hour_of(activity_json) in by_hour:
            by_hour[hour_of(activity_json)] += split_array(json.dumps([activity_json]))
    now = datetime.now(UTC)
    snapshots = (HourSnapshot(hour, now, "etag", activities) for hour, activities in by_hour.items())
    with engine.begin() as connection:
        return load_snapshots(connection, ATHLETE, snapshots, guard)


def rows(engine: Engine, table: str = "strava_activity", where: str = "true") -> dict[int, dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM {table} WHERE {where}"))
        return {row.id: dict(row._mapping) for row in found}


def ids(engine: Engine, source: str) -> set[int]:
    return set(rows(engine, where=f"source = '{source}'"))
