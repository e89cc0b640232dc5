"""Deletes from the tables for good: what is an athlete's, or before a moment."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text, union

from strava_assets.mirror.database import wait_for_other_loads
from strava_assets.mirror.rejects import release_claims
from strava_assets.mirror.table import metadata

_OF_ATHLETES = [table for table in metadata.tables.values() if "athlete_id" in table.c]


class DeletedRows(NamedTuple):
    """How much was deleted by age."""

    rows: int
    rejects: int
    hours: int
    """Hours of which it is remembered which raw object was mirrored."""
    unlisted: int
    """Activities of which it is remembered that Strava no longer lists them."""


def delete_athlete(connection: Connection, athlete_id: int) -> int:
    """Delete everything of the athlete, after waiting for a load of them that is under way; how many rows.

    Every table about athletes says in `athlete_id` whose each row is, so a new table need not be named here.
    """
    wait_for_other_loads(connection, athlete_id)
    deleted = sum(
        connection.execute(table.delete().where(table.c.athlete_id == athlete_id)).rowcount for table in _OF_ATHLETES
    )
    release_claims(connection)
    return deleted


def delete_before(connection: Connection, moment: datetime) -> DeletedRows:
    """Delete everything of hours before `moment`, all athletes'; rows of bulk exports stay."""
    return _delete(connection, "start_date < :value AND source = 'api'", "hour < :value", moment)


def delete_rows(connection: Connection, athlete_id: int, ids: Collection[int | str]) -> None:
    """Delete rows of the athlete's, which it was decided to be gone, and which lie in no hour."""
    connection.execute(
        text(
            """
            WITH gone AS (
                DELETE FROM strava_activity WHERE athlete_id = :athlete_id AND id = ANY(CAST(:ids AS bigint[]))
                RETURNING id
            )
            INSERT INTO strava_deleted_activity (athlete_id, id) SELECT :athlete_id, id FROM gone
            ON CONFLICT DO NOTHING
            """
        ),
        {"athlete_id": athlete_id, "ids": list(ids)},
    )


def ids_of_athlete(connection: Connection, athlete_id: int) -> set[int]:
    """Strava's ids of all activities that are here of the athlete."""
    with_ids = [table for table in _OF_ATHLETES if "id" in table.c]
    found = [select(table.c.id).where(table.c.athlete_id == athlete_id, table.c.id.is_not(None)) for table in with_ids]
    return set(connection.execute(union(*found)).scalars())


def ids_before(connection: Connection, moment: datetime) -> set[int]:
    """Strava's ids of the activities that `delete_before` deletes."""
    found = connection.execute(
        text(
            "SELECT id FROM strava_activity WHERE start_date < :moment AND source = 'api' UNION "
            "SELECT id FROM strava_activity_reject WHERE hour < :moment AND id IS NOT NULL"
        ),
        {"moment": moment},
    )
    return set(found.scalars())


def count_of_athlete(connection: Connection, athlete_id: int) -> int:
    """How many rows there are of the athlete, in all tables."""
    counts = [
        select(func.count()).select_from(table).where(table.c.athlete_id == athlete_id).scalar_subquery()
        for table in _OF_ATHLETES
    ]
    return sum(connection.execute(select(*counts)).one())


def _delete(connection: Connection, rows: str, hours: str, value: object) -> DeletedRows:
    # The conditions are this module's own words; only the value comes from outside.
    conditions = {
        "strava_activity": rows,
        "strava_activity_reject": hours,
        "strava_mirrored_object": hours,
        "strava_unlisted_activity": hours,
    }
    return DeletedRows(
        *(
            connection.execute(text(f"DELETE FROM {table} WHERE {condition}"), {"value": value}).rowcount  # noqa: S608
            for table, condition in conditions.items()
        )
    )
