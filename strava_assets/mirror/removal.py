"""Deletes rows and rejects for good: an athlete's, or those before a moment."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from strava_assets.mirror.load import wait_for_other_loads


class Removed(NamedTuple):
    """How many rows and rejects; also used for how many there are."""

    rows: int
    rejects: int


def remove_athlete(connection: Connection, athlete_id: int) -> Removed:
    """Delete all rows and rejects of the athlete, after waiting for a load of them that is under way."""
    wait_for_other_loads(connection, athlete_id)
    return _remove(connection, "athlete_id = :value", "athlete_id = :value", athlete_id)


def remove_before(connection: Connection, moment: datetime) -> Removed:
    """Delete all athletes' rows and rejects of hours before `moment`."""
    return _remove(connection, "start_date < :value", "hour < :value", moment)


def count_of_athlete(connection: Connection, athlete_id: int) -> Removed:
    """How many rows and rejects the athlete has."""
    counts = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM strava_activity WHERE athlete_id = :athlete_id), "
            "(SELECT count(*) FROM strava_activity_reject WHERE athlete_id = :athlete_id)"
        ),
        {"athlete_id": athlete_id},
    ).one()
    return Removed(counts[0], counts[1])


def _remove(connection: Connection, rows: str, rejects: str, value: object) -> Removed:
    # The conditions are this module's own words; only the value comes from outside.
    return Removed(
        connection.execute(text(f"DELETE FROM strava_activity WHERE {rows}"), {"value": value}).rowcount,  # noqa: S608
        connection.execute(text(f"DELETE FROM strava_activity_reject WHERE {rejects}"), {"value": value}).rowcount,  # noqa: S608
    )
