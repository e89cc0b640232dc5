"""Make the rows of some hours equal the raw objects of those hours, in one transaction.

Bulk, not row by row: COPY into a temporary table, then one delete and one upsert from it. A row that
would not change is not written.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from strava_assets.errors import TooManyDeletions
from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.mirror.bulk_copy import copy_rows
from strava_assets.raw.activity import RawActivity
from strava_assets.settings import MIN_DELETIONS_GUARDED


@dataclass(frozen=True)
class HourSnapshot:
    """What a raw object says: these, and no others, are the athlete's activities of that hour."""

    hour: datetime
    fetched_at: datetime
    etag: str | None
    """Which version of the object it is."""
    activities: Sequence[RawActivity]


@dataclass(frozen=True)
class Loaded:
    """What a load did, in rows."""

    hours: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class DeletionGuard:
    """How many of an athlete's rows may be deleted at once without a confirmation.

    Losing the permission to read private activities looks just like a mass deletion.
    """

    max_share: float
    confirmed: bool = False
    deleted_before: int = 0
    """Rows that earlier loads of the same run deleted: many small steps must not add up unseen."""

    def check(self, athlete_id: int, deletions: int, rows: int) -> None:
        """Raise TooManyDeletions if so many `deletions` out of `rows` need a confirmation."""
        deletions, rows = deletions + self.deleted_before, rows + self.deleted_before
        if self.confirmed or deletions <= max(MIN_DELETIONS_GUARDED, self.max_share * rows):
            return
        raise TooManyDeletions(
            f"Strava no longer lists {deletions} of athlete {athlete_id}'s {rows} activities; nothing was deleted. "
            f"If that is right, run: strava-assets reconcile --athlete {athlete_id} --confirm-deletions. "
            f"If not, log in again: strava-assets login.",
            athlete_id,
        )


def mirror(connection: Connection, athlete_id: int, statements: Iterable[HourSnapshot], guard: DeletionGuard) -> Loaded:
    """Make the athlete's rows of the stated hours equal the statements' valid activities.

    Runs in the caller's transaction, after waiting for any other load of the same athlete; `statements`,
    one an hour, are consumed only then, so that what is read is not older than what the other load wrote.
    Invalid activities go to the table of rejects, and leave it when they have become valid or are gone.

    Raises TooManyDeletions, before any row is changed, where the guard says so.
    """
    wait_for_other_loads(connection, athlete_id)
    _create_staging_tables(connection)
    hours, rejected = _stage(connection, athlete_id, statements)
    deletions, rows = _count_deletions(connection, athlete_id)
    guard.check(athlete_id, deletions, rows)
    connection.execute(_FORGET_LEFT_OBJECTS, {"athlete_id": athlete_id})
    deleted = connection.execute(_DELETE, {"athlete_id": athlete_id}).rowcount
    staged = connection.execute(text("SELECT count(DISTINCT id) FROM staged")).scalar_one()
    outcomes = connection.execute(_UPSERT).one()
    _settle_rejects(connection, athlete_id)
    connection.execute(_REMEMBER_OBJECTS, {"athlete_id": athlete_id})
    _drop_staging_tables(connection)
    return Loaded(
        hours=hours,
        inserted=outcomes.inserted,
        updated=outcomes.updated,
        deleted=deleted,
        unchanged=staged - outcomes.inserted - outcomes.updated,
        rejected=rejected,
    )


def adopt_rows(connection: Connection, athlete_id: int) -> int:
    """Give rows of the old DAG, which know no athlete, to the one athlete it served; how many those were."""
    statement = text("UPDATE strava_activity SET athlete_id = :athlete_id WHERE athlete_id IS NULL")
    return connection.execute(statement, {"athlete_id": athlete_id}).rowcount


def has_unowned_rows(connection: Connection) -> bool:
    """Whether there are rows that the old DAG wrote and nobody adopted yet."""
    return bool(
        connection.execute(text("SELECT EXISTS (SELECT FROM strava_activity WHERE athlete_id IS NULL)")).scalar()
    )


_COLUMN_LIST = ", ".join(COLUMNS)
_OTHER_COLUMNS = tuple(name for name in COLUMNS if name != "id")

_ROWS_TO_DELETE = """
    FROM strava_activity AS present
    WHERE present.athlete_id = :athlete_id
      AND present.start_date >= (SELECT min(hour) FROM stated)
      AND present.start_date < (SELECT max(hour) + interval '1 hour' FROM stated)
      AND date_trunc('hour', present.start_date, 'UTC') IN (SELECT hour FROM stated)
      AND NOT EXISTS (SELECT FROM staged WHERE staged.id = present.id)
"""
# The span is for the index: without it, each page of an import would look at all rows of those before.

_DELETE = text(f"DELETE FROM strava_activity WHERE id IN (SELECT present.id {_ROWS_TO_DELETE})")  # noqa: S608 - constants

_UPSERT = text(
    f"""
    WITH written AS (
        INSERT INTO strava_activity AS present ({_COLUMN_LIST})
        SELECT DISTINCT ON (id) {_COLUMN_LIST} FROM staged ORDER BY id, fetched_at DESC, start_date DESC
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _OTHER_COLUMNS)}
        WHERE ({", ".join(f"present.{name}" for name in _OTHER_COLUMNS)})
           IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _OTHER_COLUMNS)})
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM written
    """  # noqa: S608 - constants
)


_FORGET_LEFT_OBJECTS = text(
    """
    DELETE FROM strava_mirrored_object
    WHERE athlete_id = :athlete_id AND hour NOT IN (SELECT hour FROM stated) AND hour IN (
        SELECT date_trunc('hour', start_date, 'UTC') FROM strava_activity
        WHERE athlete_id = :athlete_id AND id IN (SELECT id FROM staged UNION ALL SELECT id FROM staged_reject)
        UNION ALL
        SELECT hour FROM strava_activity_reject
        WHERE athlete_id = :athlete_id
          AND (id IN (SELECT id FROM staged) OR coalesce(id::text, digest) IN (SELECT key FROM staged_reject))
    )
    """
)
"""An activity that came here from another hour is in that hour's object still: have the next look fetch it again."""

_REMEMBER_OBJECTS = text(
    """
    INSERT INTO strava_mirrored_object AS present (athlete_id, hour, etag)
    SELECT :athlete_id, hour, etag FROM stated
    ON CONFLICT (athlete_id, hour) DO UPDATE SET etag = excluded.etag
    WHERE present.etag IS DISTINCT FROM excluded.etag
    """
)


def wait_for_other_loads(connection: Connection, athlete_id: int) -> None:
    """Wait until no other transaction changes the athlete's rows; none starts to until this one ends."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('strava_activity', :athlete_id))"),
        {"athlete_id": athlete_id},
    )


def _create_staging_tables(connection: Connection) -> None:
    _drop_staging_tables(connection)
    connection.execute(
        text("CREATE TEMPORARY TABLE staged (LIKE strava_activity, fetched_at timestamptz NOT NULL) ON COMMIT DROP")
    )
    # What the planner needs is how many rows there are: a tenth of the usual sample tells it.
    connection.execute(text("ALTER TABLE pg_temp.staged ALTER id SET STATISTICS 10"))
    connection.execute(text("CREATE TEMPORARY TABLE stated (hour timestamptz NOT NULL, etag text) ON COMMIT DROP"))
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE staged_reject (id bigint, key text NOT NULL, hour timestamptz NOT NULL, "
            "digest text NOT NULL, payload jsonb NOT NULL, errors jsonb NOT NULL, fetched_at timestamptz NOT NULL) "
            "ON COMMIT DROP"
        )
    )


def _drop_staging_tables(connection: Connection) -> None:
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged, pg_temp.stated, pg_temp.staged_reject"))


def _stage(connection: Connection, athlete_id: int, statements: Iterable[HourSnapshot]) -> tuple[int, int]:
    """Copy rows, hours and rejects into the staging tables; how many hours and rejects those are."""
    hours: list[tuple[datetime, str | None]] = []
    rejects: dict[int | str, tuple[Any, ...]] = {}

    def rows() -> Iterator[tuple[Any, ...]]:
        for statement in statements:
            hours.append((statement.hour, statement.etag))
            for raw in statement.activities:
                valid = validate(raw, athlete_id)
                if isinstance(valid, Activity):
                    yield (*valid.__dict__.values(), statement.fetched_at)
                else:
                    reject = _reject_row(raw, statement, valid)
                    previous = rejects.setdefault(activity_key(raw), reject)
                    if statement.fetched_at > previous[-1]:
                        rejects[activity_key(raw)] = reject

    copy_rows(connection, f"staged ({_COLUMN_LIST}, fetched_at)", rows())
    copy_rows(connection, "stated (hour, etag)", iter(hours))
    copy_rows(connection, "staged_reject (id, key, hour, digest, payload, errors, fetched_at)", iter(rejects.values()))
    rejected = len(rejects) - _keep_newest_statement(connection) if rejects else 0
    connection.execute(text("ANALYZE pg_temp.staged (id), pg_temp.stated"))
    return len(hours), rejected


def _keep_newest_statement(connection: Connection) -> int:
    """Where one object has a valid and another an invalid version, keep the newer; rejects dropped."""
    dropped = connection.execute(
        text(
            "DELETE FROM staged_reject AS invalid USING staged "
            "WHERE staged.id = invalid.id AND staged.fetched_at >= invalid.fetched_at"
        )
    ).rowcount
    connection.execute(text("DELETE FROM staged USING staged_reject AS invalid WHERE staged.id = invalid.id"))
    return dropped


def activity_key(raw: RawActivity) -> int | str:
    """What identifies an activity, valid or not: its id where that fits the id column, else its digest."""
    return raw.digest if raw.id is None or not -(2**63) <= raw.id < 2**63 else raw.id


def _reject_row(raw: RawActivity, statement: HourSnapshot, errors: list[str]) -> tuple[Any, ...]:
    # jsonb can hold neither NUL nor half of a surrogate pair; the raw object keeps both.
    payload = json.dumps(raw.fields, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    payload = payload.replace("\\u0000", "\N{REPLACEMENT CHARACTER}")
    faults = json.dumps([fault.replace("\0", "\N{REPLACEMENT CHARACTER}") for fault in errors])
    key = activity_key(raw)
    activity_id = key if isinstance(key, int) else None
    return (activity_id, key, statement.hour, raw.digest, payload, faults, statement.fetched_at)


def _count_deletions(connection: Connection, athlete_id: int) -> tuple[int, int]:
    """How many rows would vanish (those that turned invalid aside), and how many the athlete has."""
    counts = connection.execute(
        text(
            f"""
            SELECT (SELECT count(*) {_ROWS_TO_DELETE} AND NOT EXISTS (SELECT FROM staged_reject WHERE id = present.id)),
                   (SELECT count(*) FROM strava_activity WHERE athlete_id = :athlete_id)
            """  # noqa: S608 - constants
        ),
        {"athlete_id": athlete_id},
    ).one()
    return counts[0], counts[1]


def _settle_rejects(connection: Connection, athlete_id: int) -> None:
    """Rejects of the stated hours become what was staged; what is a valid row now is none any more."""
    owner = {"athlete_id": athlete_id}
    connection.execute(
        text(
            """
            DELETE FROM strava_activity_reject AS present
            WHERE athlete_id = :athlete_id
              AND (hour IN (SELECT hour FROM stated) OR id IN (SELECT id FROM staged))
              AND coalesce(id::text, digest) NOT IN (SELECT key FROM staged_reject)
            """
        ),
        owner,
    )
    connection.execute(
        text(
            """
            INSERT INTO strava_activity_reject AS present (athlete_id, id, hour, digest, payload, errors)
            SELECT :athlete_id, id, hour, digest, payload, errors FROM staged_reject
            ON CONFLICT (athlete_id, coalesce(id::text, digest)) DO UPDATE
            SET hour = excluded.hour, digest = excluded.digest, payload = excluded.payload,
                errors = excluded.errors, last_seen = now()
            """
        ),
        owner,
    )
    # A row whose hour was not stated, but which is known to be invalid now, must not stay beside its reject.
    connection.execute(
        text("DELETE FROM strava_activity WHERE athlete_id = :athlete_id AND id IN (SELECT id FROM staged_reject)"),
        owner,
    )
