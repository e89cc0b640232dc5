"""What a load is about to do, in temporary tables: rows, rejects, and the hours that the snapshots are of."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.mirror.bulk_copy import copy_rows
from strava_assets.mirror.rejects import keep_newest_version, reject_row, reject_what_is_anothers
from strava_assets.raw.activity import activity_key
from strava_assets.raw.snapshot import HourSnapshot


def create_staging_tables(connection: Connection) -> None:
    """Make them, empty; they go at the end of the transaction, if not before."""
    drop_staging_tables(connection)
    connection.execute(
        text("CREATE TEMPORARY TABLE staged (LIKE strava_activity, fetched_at timestamptz NOT NULL) ON COMMIT DROP")
    )
    # What the planner needs is how many rows there are: a tenth of the usual sample tells it.
    connection.execute(text("ALTER TABLE pg_temp.staged ALTER id SET STATISTICS 10"))
    connection.execute(
        text("CREATE TEMPORARY TABLE snapshot_hours (hour timestamptz NOT NULL, etag text) ON COMMIT DROP")
    )
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE staged_reject (id bigint, key text NOT NULL, hour timestamptz NOT NULL, "
            "digest text NOT NULL, payload jsonb NOT NULL, errors jsonb NOT NULL, fetched_at timestamptz NOT NULL) "
            "ON COMMIT DROP"
        )
    )


def drop_staging_tables(connection: Connection) -> None:
    """Drop them, so that a transaction can load again."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged, pg_temp.snapshot_hours, pg_temp.staged_reject"))


def stage(connection: Connection, athlete_id: int, snapshots: Iterable[HourSnapshot]) -> tuple[int, int, set[datetime]]:
    """Copy rows, hours and rejects into the staging tables; how many hours and rejects those are.

    And the hours with an old copy of an activity that is in another hour's newer object, too.
    """
    hours: list[tuple[datetime, str | None]] = []
    newest: dict[int | str, tuple[datetime, datetime]] = {}
    stale: set[datetime] = set()
    rejects: dict[int | str, tuple[Any, ...]] = {}

    def rows() -> Iterator[tuple[Any, ...]]:
        for snapshot in snapshots:
            hours.append((snapshot.hour, snapshot.etag))
            for raw in snapshot.activities:
                key, copy = activity_key(raw), (snapshot.fetched_at, snapshot.hour)
                older, newer = sorted((copy, newest.get(key, copy)))
                newest[key] = newer
                if older[1] != newer[1]:
                    stale.add(older[1])
                valid = validate(raw, athlete_id)
                if isinstance(valid, Activity):
                    yield (*valid.__dict__.values(), snapshot.fetched_at)
                elif copy == newer:
                    rejects[key] = reject_row(raw, snapshot, valid)

    copy_rows(connection, f"staged ({', '.join(COLUMNS)}, fetched_at)", rows())
    copy_rows(connection, "snapshot_hours (hour, etag)", iter(hours))
    copy_rows(connection, "staged_reject (id, key, hour, digest, payload, errors, fetched_at)", iter(rejects.values()))
    rejected = len(rejects) - keep_newest_version(connection) if rejects else 0
    rejected += reject_what_is_anothers(connection, athlete_id)
    connection.execute(text("ANALYZE pg_temp.staged (id), pg_temp.snapshot_hours"))
    return len(hours), rejected, stale
