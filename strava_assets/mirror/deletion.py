"""Deletes from the tables for good: what is an athlete's, or before a moment."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, select, text, union

from strava_assets.mirror.database import wait_for_other_loads
from strava_assets.mirror.rejects import release_claims
from strava_assets.mirror.table import activity, metadata, reject

_OF_ATHLETES = [table for table in metadata.tables.values() if "athlete_id" in table.c]
_OF_HOURS = [table for table in _OF_ATHLETES if "hour" in table.c]


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


def delete_before(connection: Connection, moment: datetime) -> tuple[int, int]:
    """Delete all of hours before `moment`, every athlete's, but rows of bulk exports; how many rows and rejects."""
    rows = connection.execute(activity.delete().where(activity.c.start_date < moment, activity.c.source == "api"))
    of_hours = {
        table.name: connection.execute(table.delete().where(table.c.hour < moment)).rowcount for table in _OF_HOURS
    }
    return rows.rowcount, of_hours[reject.name]


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
