"""Whether the views hold what they promise, and what they say of each athlete today."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text


def days_missing(connection: Connection) -> dict[int, int]:
    """Athletes of whom `day` lacks days between the first activity and today, and how many."""
    return _by_athlete(
        connection,
        "SELECT athlete.athlete_id, athlete.today - athlete.first_day + 1 - count(DISTINCT day.day) "
        "FROM strava_analytics.athlete LEFT JOIN strava_analytics.day USING (athlete_id) "
        "GROUP BY athlete.athlete_id, athlete.today, athlete.first_day "
        "HAVING athlete.today - athlete.first_day + 1 <> count(DISTINCT day.day)",
    )


def sums_that_differ(connection: Connection) -> dict[int, str]:
    """Athletes whose days do not sum up to their activities, and which sums."""
    columns = ("distance_km", "moving_minutes", "elevation_m", "load")
    sums = ", ".join(f"sum({column}) AS {column}" for column in columns)
    differences = " || ".join(
        f"CASE WHEN abs(days.{column} - activities.{column}) > 1e-6 * greatest(abs(activities.{column}), 1) "
        f"THEN ' {column}' ELSE '' END"
        for column in columns
    )
    return _by_athlete(
        connection,
        f"SELECT athlete_id, trim({differences} "  # noqa: S608 - constants
        "|| CASE WHEN days.activities <> activities.activities THEN ' activities' ELSE '' END) AS differing FROM "
        f"(SELECT athlete_id, sum(activities) AS activities, {sums} FROM strava_analytics.day GROUP BY 1) AS days "
        f"JOIN (SELECT athlete_id, count(*) AS activities, {sums} FROM strava_analytics.activity "
        "WHERE is_counted GROUP BY 1) AS activities USING (athlete_id) "
        f"WHERE {differences} <> '' OR days.activities <> activities.activities",
    )


def negative_fitness(connection: Connection) -> dict[int, int]:
    """Athletes with days on which fitness or fatigue is below zero, and how many."""
    return _by_athlete(
        connection,
        "SELECT athlete_id, count(*) FROM strava_analytics.day WHERE NOT (fitness >= 0 AND fatigue >= 0) GROUP BY 1",
    )


def today(connection: Connection) -> list[Mapping[str, Any]]:
    """Each athlete's newest day, with the activities of the last 7 days."""
    return [
        dict(row)
        for row in connection.execute(
            text(
                "SELECT DISTINCT ON (athlete_id) athlete_id, day, fitness, fatigue, form, load, "
                "sum(activities) OVER (PARTITION BY athlete_id ORDER BY day ROWS 6 PRECEDING) AS activities "
                "FROM strava_analytics.day ORDER BY athlete_id, day DESC"
            )
        ).mappings()
    ]


def _by_athlete(connection: Connection, query: str) -> dict[int, Any]:
    return {athlete_id: found for athlete_id, found in connection.execute(text(query))}  # noqa: C416 - rows, not pairs
