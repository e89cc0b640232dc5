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


def remove_athlete(connection: Connection, athlete_id: int) -> Removed:
    """Delete everything of the athlete, after waiting for a load of them that is under way."""
    wait_for_other_loads(connection, athlete_id)
    of_athlete = "athlete_id = :value"
    return _remove(connection, of_athlete, of_athlete, athlete_id)


def remove_before(connection: Connection, moment: datetime) -> Removed:
    """Delete everything of hours before `moment`, all athletes'."""
    return _remove(connection, "start_date < :value", "hour < :value", moment)


def count_of_athlete(connection: Connection, athlete_id: int) -> Removed:
    """How much there is of the athlete."""
    counts = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM strava_activity WHERE athlete_id = :athlete_id), "
            "(SELECT count(*) FROM strava_activity_reject WHERE athlete_id = :athlete_id), "
            "(SELECT count(*) FROM strava_mirrored_object WHERE athlete_id = :athlete_id)"
        ),
        {"athlete_id": athlete_id},
    ).one()
    return Removed(*counts)


def _remove(connection: Connection, rows: str, hours: str, value: object) -> Removed:
    # The conditions are this module's own words; only the value comes from outside.
    conditions = {"strava_activity": rows, "strava_activity_reject": hours, "strava_mirrored_object": hours}
    return Removed(
        *(
            connection.execute(text(f"DELETE FROM {table} WHERE {condition}"), {"value": value}).rowcount  # noqa: S608
            for table, condition in conditions.items()
        )
    )
