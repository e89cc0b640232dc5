"""The tables of bulk exports, and how their rows fill `strava_activity` where Strava's API lists nothing.

An archive inserts and fills; it deletes nothing, and never touches a row that the API lists (docs/design.md).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from strava_assets.mirror.activity import COLUMNS
from strava_assets.mirror.bulk_copy import copy_rows

ArchiveRow = tuple[int, str, str | None, str, str]
"""Id, start, file, all columns as JSON, and the row of strava_activity as JSON."""

RejectRow = tuple[int, str, str]
"""Line, cells as JSON and errors as JSON."""


class Archive(NamedTuple):
    """A bulk export that is imported, as `strava_archive` describes it."""

    athlete_id: int
    archive: str
    name: str
    exported_at: datetime
    language: str
    columns: int
    activities: int
    rejects: int


class Filled(NamedTuple):
    """What became of an archive's activities in `strava_activity`."""

    inserted: int
    """Were in no row before."""
    updated: int
    """Were from an older archive, and differ."""


_NAMES = ", ".join(COLUMNS)
_OTHERS = [name for name in COLUMNS if name != "id"]

_FILL = text(
    f"""
    WITH written AS (
        INSERT INTO strava_activity AS present ({_NAMES})
        SELECT {", ".join(f"row.{name}" for name in COLUMNS)}
        FROM strava_archive_activity AS archived,
             LATERAL jsonb_populate_record(NULL::strava_activity, archived.activity) AS row
        WHERE archived.athlete_id = :athlete_id
          AND NOT EXISTS (SELECT FROM strava_deleted_activity AS gone
                          WHERE gone.athlete_id = archived.athlete_id AND gone.id = archived.id)
          AND NOT EXISTS (SELECT FROM strava_activity_reject AS reject
                          WHERE reject.athlete_id = archived.athlete_id AND reject.id = archived.id)
          AND NOT EXISTS (SELECT FROM strava_activity AS listed WHERE listed.id = archived.id AND listed.source = 'api')
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _OTHERS)}
        WHERE present.source = 'archive' AND ({", ".join(f"present.{name}" for name in _OTHERS)})
           IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _OTHERS)})
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS updated FROM written
    """  # noqa: S608 - constants
)


def fill(connection: Connection, athlete_id: int) -> Filled:
    """Have a row of each archived activity that Strava's API neither lists nor has listed and deleted."""
    return Filled(*connection.execute(_FILL, {"athlete_id": athlete_id}).one())


def stage(connection: Connection, rows: Iterator[ArchiveRow]) -> None:
    """Copy an archive's activities into the table `staged_archive`, which lasts as long as the transaction."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged_archive"))
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE staged_archive (id bigint NOT NULL, start_date timestamptz NOT NULL, file text, "
            "columns jsonb NOT NULL, activity jsonb NOT NULL) ON COMMIT DROP"
        )
    )
    copy_rows(connection, "staged_archive (id, start_date, file, columns, activity)", rows)


def owners(connection: Connection, athlete_id: int) -> list[int]:
    """Other athletes who have activities with the ids that were staged; none unless the archive is theirs."""
    statement = """
        SELECT DISTINCT known.athlete_id FROM staged_archive JOIN (
            SELECT id, athlete_id FROM strava_activity UNION ALL SELECT id, athlete_id FROM strava_archive_activity
        ) AS known USING (id) WHERE known.athlete_id <> :athlete_id ORDER BY 1
    """
    return list(connection.execute(text(statement), {"athlete_id": athlete_id}).scalars())


def count_known(connection: Connection, athlete_id: int) -> tuple[int, int]:
    """Of the staged activities, how many the API lists (rejects too), and how many it listed and then deleted."""
    statement = """
        SELECT count(*) FILTER (WHERE listed), count(*) FILTER (WHERE gone AND NOT listed) FROM (
            SELECT EXISTS (SELECT FROM strava_activity AS api WHERE api.id = staged.id AND api.source = 'api')
                   OR EXISTS (SELECT FROM strava_activity_reject AS reject
                              WHERE reject.athlete_id = :athlete_id AND reject.id = staged.id) AS listed,
                   EXISTS (SELECT FROM strava_deleted_activity AS deleted
                           WHERE deleted.athlete_id = :athlete_id AND deleted.id = staged.id) AS gone
            FROM staged_archive AS staged
        ) AS each
    """
    listed, gone = connection.execute(text(statement), {"athlete_id": athlete_id}).one()
    return listed, gone


def store(connection: Connection, archive: Archive, rejects: Iterable[RejectRow]) -> None:
    """Keep what was staged, and that it was imported. Where an id is in several archives, the newest one's counts."""
    key = {"athlete_id": archive.athlete_id, "archive": archive.archive}
    names = ", ".join(Archive._fields)
    connection.execute(
        text(
            f"""
            INSERT INTO strava_archive ({names}) VALUES ({", ".join(f":{name}" for name in Archive._fields)})
            ON CONFLICT (athlete_id, archive) DO UPDATE SET name = excluded.name, language = excluded.language,
                columns = excluded.columns, activities = excluded.activities, rejects = excluded.rejects,
                exported_at = excluded.exported_at, imported_at = now()
            """  # noqa: S608 - constants
        ),
        archive._asdict(),
    )
    connection.execute(
        text(
            """
            INSERT INTO strava_archive_activity AS present
                   (id, athlete_id, start_date, archive, exported_at, file, columns, activity)
            SELECT id, :athlete_id, start_date, :archive, :exported_at, file, columns, activity FROM staged_archive
            ON CONFLICT (id) DO UPDATE
            SET start_date = excluded.start_date, archive = excluded.archive, exported_at = excluded.exported_at,
                file = excluded.file, columns = excluded.columns, activity = excluded.activity
            WHERE present.exported_at <= excluded.exported_at
              AND (present.archive, present.file, present.columns, present.activity)
                  IS DISTINCT FROM (excluded.archive, excluded.file, excluded.columns, excluded.activity)
            """
        ),
        key | {"exported_at": archive.exported_at},
    )
    connection.execute(
        text("DELETE FROM strava_archive_reject WHERE athlete_id = :athlete_id AND archive = :archive"), key
    )
    copy_rows(
        connection,
        "strava_archive_reject (athlete_id, archive, line, cells, errors)",
        ((archive.athlete_id, archive.archive, *reject) for reject in rejects),
    )


def archives(connection: Connection, athlete_id: int | None = None) -> list[Row[Any]]:
    """The archives that were imported, in the order that makes the same rows when they are loaded again."""
    statement = f"""
        SELECT {", ".join(Archive._fields)}, imported_at FROM strava_archive
        WHERE CAST(:athlete_id AS bigint) IS NULL OR athlete_id = :athlete_id
        ORDER BY athlete_id, exported_at, imported_at
    """  # noqa: S608 - constants
    return list(connection.execute(text(statement), {"athlete_id": athlete_id}))


def delete_archive_rows(connection: Connection, athlete_id: int, archive: str) -> None:
    """Delete an archive and what is only in it; what others have is filled in by loading them again."""
    key = {"athlete_id": athlete_id, "archive": archive}
    for table in ("strava_archive", "strava_archive_activity", "strava_archive_reject"):
        statement = text(f"DELETE FROM {table} WHERE athlete_id = :athlete_id AND archive = :archive")  # noqa: S608
        connection.execute(statement, key)


def delete_orphans(connection: Connection, athlete_id: int) -> int:
    """Delete the rows of archives that no archive has any more; how many those are."""
    statement = """
        DELETE FROM strava_activity AS present WHERE athlete_id = :athlete_id AND source = 'archive'
        AND NOT EXISTS (SELECT FROM strava_archive_activity AS archived WHERE archived.id = present.id)
    """
    return connection.execute(text(statement), {"athlete_id": athlete_id}).rowcount


_NOT_ON_STRAVA = """
    FROM strava_activity AS present
    JOIN strava_mirrored_object AS listed
      ON listed.athlete_id = present.athlete_id AND listed.hour = date_trunc('hour', present.start_date, 'UTC')
    WHERE present.source = 'archive' AND (CAST(:athlete_id AS bigint) IS NULL OR present.athlete_id = :athlete_id)
"""


def not_on_strava(connection: Connection, athlete_id: int | None = None) -> list[int]:
    """Ids of rows of archives in hours that the API lists without them: private ones, or deleted on Strava."""
    statement = text(f"SELECT present.id {_NOT_ON_STRAVA} ORDER BY present.id")
    return list(connection.execute(statement, {"athlete_id": athlete_id}).scalars())


def delete_not_on_strava(connection: Connection, athlete_id: int | None = None) -> int:
    """Delete the rows that `not_on_strava` names, and mark them, so that no archive brings them back; how many."""
    parameters = {"athlete_id": athlete_id, "ids": not_on_strava(connection, athlete_id)}
    connection.execute(
        text(
            "INSERT INTO strava_deleted_activity (athlete_id, id) "
            "SELECT athlete_id, id FROM strava_activity WHERE id = ANY(:ids) ON CONFLICT DO NOTHING"
        ),
        parameters,
    )
    connection.execute(text("DELETE FROM strava_archive_activity WHERE id = ANY(:ids)"), parameters)
    return connection.execute(text("DELETE FROM strava_activity WHERE id = ANY(:ids)"), parameters).rowcount


def delete_archived_before(connection: Connection, moment: datetime) -> int:
    """Delete what only archives have of the time before `moment`, all athletes'; how many activities."""
    parameters = {"moment": moment}
    connection.execute(text("DELETE FROM strava_archive_activity WHERE start_date < :moment"), parameters)
    statement = text("DELETE FROM strava_activity WHERE start_date < :moment AND source = 'archive'")
    return connection.execute(statement, parameters).rowcount


def archived_ids_before(connection: Connection, moment: datetime) -> set[int]:
    """Ids of the activities of which `delete_archived_before` leaves nothing: the API lists none of them."""
    statement = """
        SELECT id FROM strava_archive_activity AS archived WHERE start_date < :moment AND NOT EXISTS (
            SELECT FROM strava_activity AS listed WHERE listed.id = archived.id AND listed.source = 'api'
        ) UNION SELECT id FROM strava_activity WHERE start_date < :moment AND source = 'archive'
    """
    return set(connection.execute(text(statement), {"moment": moment}).scalars())


def archives_before(connection: Connection, moment: datetime) -> list[tuple[int, str]]:
    """Athlete and name of the archives that have nothing from `moment` on."""
    statement = text("SELECT athlete_id, archive FROM strava_archive WHERE exported_at < :moment")
    return [(row.athlete_id, row.archive) for row in connection.execute(statement, {"moment": moment})]
