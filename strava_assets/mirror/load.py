"""Make the rows of some hours equal the raw objects of those hours, in one transaction.

Bulk, not row by row: COPY into a temporary table, then one delete and one upsert from it. A row that
would not change is not written.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from strava_assets.mirror.activity import COLUMNS
from strava_assets.mirror.database import wait_for_other_loads
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.planner_statistics import update_statistics
from strava_assets.mirror.rejects import release_claims, settle_rejects
from strava_assets.mirror.staging import create_staging_tables, drop_staging_tables, stage
from strava_assets.raw.snapshot import HourSnapshot


@dataclass(frozen=True)
class Loaded:
    """What a load did, in rows."""

    hours: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected: int = 0
    held_back: int = 0
    """Rows that no object explains any more, kept until somebody confirms that they may go."""
    unmatched: tuple[str, ...] = ()
    """Keys of activities that are neither row nor reject afterwards; there should be none."""

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def load_snapshots(
    connection: Connection, athlete_id: int, snapshots: Iterable[HourSnapshot], guard: DeletionGuard
) -> Loaded:
    """Make the athlete's rows of the snapshot hours equal the snapshots' valid activities.

    Runs in the caller's transaction, after waiting for any other load of the same athlete; `snapshots`,
    one an hour, are consumed only then, so that what is read is not older than what the other load wrote.
    Invalid activities go to the table of rejects, and leave it when they have become valid or are gone.

    Rows that it was decided to delete (`unlisted`) are deleted, rows that wait for a confirmation are kept. Of rows
    that vanished otherwise, more than the guard lets pass are kept, too, and their hours count as not mirrored.
    """
    wait_for_other_loads(connection, athlete_id)
    create_staging_tables(connection)
    hours, rejected, stale = stage(connection, athlete_id, snapshots)
    deletions, rows = _count_deletions(connection, athlete_id)
    is_refused = guard.refusal(athlete_id, deletions, rows) is not None
    connection.execute(_DELETE_LEFT_OBJECTS, {"athlete_id": athlete_id})
    of_athlete = {"athlete_id": athlete_id}
    deleted = connection.execute(_DELETE, {**of_athlete, "only_decided": is_refused}).scalar_one()
    staged = connection.execute(text("SELECT count(DISTINCT id) FROM staged")).scalar_one()
    outcomes = connection.execute(_UPSERT).one()
    settle_rejects(connection, athlete_id)
    connection.execute(_UNMARK_DELETED, of_athlete)
    if is_refused:
        connection.execute(_LEAVE_OUT_HOURS_OF_KEPT_ROWS, of_athlete)
    connection.execute(_LEAVE_OUT_HOURS, {**of_athlete, "hours": list(stale)})
    connection.execute(_REMEMBER_OBJECTS, of_athlete)
    connection.execute(_DELETE_DECISIONS, of_athlete)
    if deleted:
        release_claims(connection)
    unmatched = connection.execute(_UNMATCHED, of_athlete).scalars().all()
    drop_staging_tables(connection)
    update_statistics(connection, outcomes.inserted)
    return Loaded(
        hours=hours,
        inserted=outcomes.inserted,
        updated=outcomes.updated,
        deleted=deleted,
        unchanged=staged - outcomes.inserted - outcomes.updated,
        rejected=rejected,
        held_back=deletions if is_refused else 0,
        unmatched=tuple(unmatched),
    )


_COLUMN_LIST = ", ".join(COLUMNS)
_OTHER_COLUMNS = tuple(name for name in COLUMNS if name != "id")

_ROWS_TO_DELETE = """
    FROM strava_activity AS present
    WHERE present.athlete_id = :athlete_id AND present.source = 'api'
      AND present.start_date >= (SELECT min(hour) FROM snapshot_hours)
      AND present.start_date < (SELECT max(hour) + interval '1 hour' FROM snapshot_hours)
      AND date_trunc('hour', present.start_date, 'UTC') IN (SELECT hour FROM snapshot_hours)
      AND NOT EXISTS (SELECT FROM staged WHERE staged.id = present.id)
      AND NOT EXISTS (
        SELECT FROM strava_unlisted_activity AS waiting
        WHERE waiting.athlete_id = :athlete_id AND waiting.key = present.id::text AND NOT waiting.may_be_deleted
      )
"""
_IS_DECIDED = """EXISTS (
    SELECT FROM strava_unlisted_activity AS decided
    WHERE decided.athlete_id = :athlete_id AND decided.key = present.id::text AND decided.may_be_deleted
      AND decided.hour = date_trunc('hour', present.start_date, 'UTC')
)"""
# The span is for the index: without it, each page of an import would look at all rows of those before.

_DELETE = text(
    f"""
    WITH gone AS (
        DELETE FROM strava_activity WHERE id IN (
            SELECT present.id {_ROWS_TO_DELETE} AND (NOT :only_decided OR {_IS_DECIDED})
        ) RETURNING id
    ), marked AS (
        INSERT INTO strava_deleted_activity (athlete_id, id)
        SELECT :athlete_id, id FROM gone WHERE NOT EXISTS (SELECT FROM staged_reject WHERE staged_reject.id = gone.id)
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM gone
    """  # noqa: S608 - constants
)
"""What the API listed once and no longer does must not come back from a bulk export."""

_UNMARK_DELETED = text(
    """
    DELETE FROM strava_deleted_activity
    WHERE athlete_id = :athlete_id AND id IN (SELECT id FROM staged UNION ALL SELECT id FROM staged_reject)
    """
)

_LEAVE_OUT_HOURS_OF_KEPT_ROWS = text(
    f"""
    WITH kept AS (
        DELETE FROM snapshot_hours
        WHERE hour IN (SELECT date_trunc('hour', present.start_date, 'UTC') {_ROWS_TO_DELETE}) RETURNING hour
    )
    DELETE FROM strava_mirrored_object WHERE athlete_id = :athlete_id AND hour IN (SELECT hour FROM kept)
    """  # noqa: S608 - constants
)
"""So that the next comparison has them fetched again, and it is decided what became of the rows."""

_LEAVE_OUT_HOURS = text(
    """
    WITH old AS (DELETE FROM snapshot_hours WHERE hour = ANY(:hours) RETURNING hour)
    DELETE FROM strava_mirrored_object WHERE athlete_id = :athlete_id AND hour IN (SELECT hour FROM old)
    """
)
"""An activity of theirs has moved to another hour that is loaded, too: the next comparison has them fetched again."""

_DELETE_DECISIONS = text(
    "DELETE FROM strava_unlisted_activity "
    "WHERE athlete_id = :athlete_id AND may_be_deleted AND hour IN (SELECT hour FROM snapshot_hours)"
)

_UPSERT = text(
    f"""
    WITH written AS (
        INSERT INTO strava_activity AS present ({_COLUMN_LIST})
        SELECT DISTINCT ON (id) {_COLUMN_LIST} FROM staged ORDER BY id, fetched_at DESC, start_date DESC
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _OTHER_COLUMNS)}
        WHERE (present.athlete_id IS NULL OR present.athlete_id = excluded.athlete_id)
          AND ({", ".join(f"present.{name}" for name in _OTHER_COLUMNS)})
           IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _OTHER_COLUMNS)})
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM written
    """  # noqa: S608 - constants
)


_UNMATCHED = text(
    """
    SELECT id::text FROM staged
    WHERE NOT EXISTS (SELECT FROM strava_activity AS present WHERE present.id = staged.id AND athlete_id = :athlete_id)
    UNION ALL
    SELECT key FROM staged_reject
    WHERE NOT EXISTS (
        SELECT FROM strava_activity_reject AS reject
        WHERE reject.athlete_id = :athlete_id AND coalesce(reject.id::text, reject.digest) = staged_reject.key
    )
    """
)

_DELETE_LEFT_OBJECTS = text(
    """
    DELETE FROM strava_mirrored_object
    WHERE athlete_id = :athlete_id AND hour NOT IN (SELECT hour FROM snapshot_hours) AND hour IN (
        SELECT date_trunc('hour', start_date, 'UTC') FROM strava_activity
        WHERE athlete_id = :athlete_id AND source = 'api'
          AND id IN (SELECT id FROM staged UNION ALL SELECT id FROM staged_reject)
        UNION ALL
        SELECT hour FROM strava_activity_reject
        WHERE athlete_id = :athlete_id
          AND (id IN (SELECT id FROM staged) OR coalesce(id::text, digest) IN (SELECT key FROM staged_reject))
    )
    """
)
"""An activity that came from another hour is in that hour's object still: the next comparison fetches it again."""

_REMEMBER_OBJECTS = text(
    """
    INSERT INTO strava_mirrored_object AS present (athlete_id, hour, etag)
    SELECT :athlete_id, hour, etag FROM snapshot_hours
    ON CONFLICT (athlete_id, hour) DO UPDATE SET etag = excluded.etag
    WHERE present.etag IS DISTINCT FROM excluded.etag
    """
)


def _count_deletions(connection: Connection, athlete_id: int) -> tuple[int, int]:
    """How many rows would vanish unexplained (decided ones and new rejects aside), and how many the athlete has."""
    counts = connection.execute(
        text(
            f"""
            SELECT (SELECT count(*) {_ROWS_TO_DELETE} AND NOT {_IS_DECIDED}
                    AND NOT EXISTS (SELECT FROM staged_reject WHERE id = present.id)),
                   (SELECT count(*) FROM strava_activity WHERE athlete_id = :athlete_id AND source = 'api')
            """  # noqa: S608 - constants
        ),
        {"athlete_id": athlete_id},
    ).one()
    return counts[0], counts[1]
