"""What the checks ask of the tables: the SQL behind their sentences, which name ids and hours, never values."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from strava_assets.hours import Window
from strava_assets.mirror.queries import known_hours


def invalid_activities(connection: Connection) -> list[str]:
    """The activities in strava_activity_reject, by id or digest, in the order in which they were last seen."""
    statement = text("SELECT coalesce(id::text, digest) FROM strava_activity_reject ORDER BY last_seen")
    return list(connection.execute(statement).scalars())


def hours_without_object(
    connection: Connection, window: Window, objects: Mapping[int, set[datetime]]
) -> list[tuple[int, datetime]]:
    """Hours of each athlete of which the mirror has something, but the bucket no raw object; `objects` by athlete."""
    return [
        (athlete_id, hour)
        for athlete_id, there in objects.items()
        for hour in sorted(known_hours(connection, athlete_id, window, ["api"]) - there)
    ]


def implausible_activities(connection: Connection, window: Window) -> list[int]:
    """Activities of the window with a value that a device or an edit got wrong."""
    statement = text(
        "SELECT id FROM strava_activity WHERE start_date >= :start AND start_date < :end AND (distance < 0 "
        "OR moving_time < 0 OR moving_time > elapsed_time OR average_speed < 0 "
        "OR start_date < '1900-01-01') ORDER BY id"
    )
    return list(connection.execute(statement, {"start": window.start, "end": window.end}).scalars())
