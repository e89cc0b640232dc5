"""Deletes from the tables for good: what is an athlete's, or before a moment."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from strava_assets.mirror.database import wait_for_other_loads


class Removed(NamedTuple):
    """How much of each; also used for how much there is."""

    rows: int
    rejects: int
    hours: int
    """Hours of which it is remembered which raw object was mirrored."""
    archived: int = 0
    """Rows beside the activities that came from bulk exports, with their rejects, and marks of deletion."""


_OF_ARCHIVES = ("strava_archive", "strava_archive_activity", "strava_archive_reject", "strava_deleted_activity")


def remove_athlete(connection: Connection, athlete_id: int) -> Removed:
    """Delete everything of the athlete, after waiting for a load of them that is under way."""
    wait_for_other_loads(connection, athlete_id)
    of_athlete = "athlete_id = :value"
    removed = _remove(connection, of_athlete, of_athlete, athlete_id)
    archived = sum(
        connection.execute(text(f"DELETE FROM {table} WHERE {of_athlete}"), {"value": athlete_id}).rowcount  # noqa: S608
        for table in _OF_ARCHIVES
    )
    return removed._replace(archived=archived)


def remove_before(connection: Connection, moment: datetime) -> Removed:
    """Delete everything of hours before `moment`, all athletes'; rows of bulk exports stay."""
    return _remove(connection, "start_date < :value AND source = 'api'", "hour < :value", moment)


def count_of_athlete(connection: Connection, athlete_id: int) -> Removed:
    """How much there is of the athlete."""
    tables = ("strava_activity", "strava_activity_reject", "strava_mirrored_object", *_OF_ARCHIVES)
    rows, rejects, hours, *archived = (
        connection.execute(
            text(f"SELECT count(*) FROM {table} WHERE athlete_id = :athlete_id"),  # noqa: S608 - constants
            {"athlete_id": athlete_id},
        ).scalar_one()
        for table in tables
    )
    return Removed(rows, rejects, hours, sum(archived))


def _remove(connection: Connection, rows: str, hours: str, value: object) -> Removed:
    # The conditions are this module's own words; only the value comes from outside.
    conditions = {"strava_activity": rows, "strava_activity_reject": hours, "strava_mirrored_object": hours}
    return Removed(
        *(
            connection.execute(text(f"DELETE FROM {table} WHERE {condition}"), {"value": value}).rowcount  # noqa: S608
            for table, condition in conditions.items()
        )
    )
