"""What the mirror holds of an athlete: rows, rejects, and the raw objects that they were made from."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Connection, text

from strava_assets.hours import Window, floor_to_hour
from strava_assets.mirror.differences import Known


def stored(
    connection: Connection, athlete_id: int, window: Window, listed: Iterable[int | str]
) -> dict[int | str, Known]:
    """The API's rows and rejects of the window, and wherever they are, of the `listed` keys.

    The latter find the old hour of an activity that was moved into the window from outside.
    """
    keys = list(listed)
    rows = connection.execute(
        text(
            """
            SELECT id, start_date AS moment, digest FROM strava_activity
            WHERE athlete_id = :athlete_id AND source = 'api' AND start_date IS NOT NULL
              AND (start_date >= :start AND start_date < :end OR id = ANY(CAST(:ids AS bigint[])))
            UNION ALL
            SELECT id, hour, digest FROM strava_activity_reject
            WHERE athlete_id = :athlete_id
              AND (hour >= :start AND hour < :end OR coalesce(id::text, digest) = ANY(CAST(:keys AS text[])))
            """
        ),
        {
            "athlete_id": athlete_id,
            "start": window.start,
            "end": window.end,
            "ids": [key for key in keys if isinstance(key, int)],
            "keys": [str(key) for key in keys],
        },
    )
    return {row.digest if row.id is None else row.id: Known(floor_to_hour(row.moment), row.digest) for row in rows}


def mirrored_etags(connection: Connection, athlete_id: int, window: Window) -> dict[datetime, str | None]:
    """Of the window's hours, the version of the raw object that the mirror's rows were made from."""
    rows = connection.execute(
        text(
            "SELECT hour, etag FROM strava_mirrored_object "
            "WHERE athlete_id = :athlete_id AND hour >= :start AND hour < :end"
        ),
        {"athlete_id": athlete_id, "start": window.start, "end": window.end},
    )
    return {floor_to_hour(row.hour): row.etag for row in rows}


def known_hours(
    connection: Connection, athlete_id: int, window: Window, sources: Sequence[str] = ("api", "archive")
) -> set[datetime]:
    """The hours of the window in which the mirror has rows or rejects of the athlete, or had an object for.

    Of rows, those of the named sources count.
    """
    moments = connection.execute(
        text(
            """
            SELECT DISTINCT date_trunc('hour', start_date, 'UTC') FROM strava_activity
            WHERE athlete_id = :athlete_id AND start_date >= :start AND start_date < :end AND source = ANY(:sources)
            UNION
            SELECT hour FROM strava_activity_reject
            WHERE athlete_id = :athlete_id AND hour >= :start AND hour < :end
            UNION
            SELECT hour FROM strava_mirrored_object
            WHERE athlete_id = :athlete_id AND hour >= :start AND hour < :end
            """
        ),
        {"athlete_id": athlete_id, "start": window.start, "end": window.end, "sources": list(sources)},
    ).scalars()
    return {floor_to_hour(moment) for moment in moments}


def rows_without_start(connection: Connection, athlete_id: int) -> set[int | str]:
    """The ids of rows that lie in no hour: the Airflow DAG's, whose `start_date` could be empty."""
    statement = text("SELECT id FROM strava_activity WHERE athlete_id = :athlete_id AND start_date IS NULL")
    return set(connection.execute(statement, {"athlete_id": athlete_id}).scalars())


def days_with_activities(connection: Connection, window: Window) -> list[date]:
    """The days (UTC) of the window on which somebody has a row of the API or a reject, oldest first."""
    statement = text(
        "SELECT (start_date AT TIME ZONE 'UTC')::date AS day FROM strava_activity "
        "WHERE source = 'api' AND start_date >= :start AND start_date < :end UNION "
        "SELECT (hour AT TIME ZONE 'UTC')::date FROM strava_activity_reject WHERE hour >= :start AND hour < :end "
        "ORDER BY day"
    )
    return list(connection.execute(statement, {"start": window.start, "end": window.end}).scalars())


def rows_by_hour(connection: Connection, window: Window, limit: int) -> dict[datetime, int]:
    """How many rows the newest `limit` hours of the window have that have any, all athletes together."""
    rows = connection.execute(
        text(
            "SELECT date_trunc('hour', start_date, 'UTC') AS hour, count(*) FROM strava_activity "
            "WHERE start_date >= :start AND start_date < :end GROUP BY hour ORDER BY hour DESC LIMIT :limit"
        ),
        {"start": window.start, "end": window.end, "limit": limit},
    )
    return {hour.astimezone(UTC): count for hour, count in rows}
