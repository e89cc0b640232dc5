"""What athletes say of themselves and how they want their numbers: reads and writes the two tables below the views."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from strava_assets.mirror.table import athlete_preference, athlete_setting

Values = Mapping[str, float | str | bool]


def set_values(connection: Connection, athlete_id: int, valid_from: date, values: Values) -> None:
    """Let values hold from that day on; what the day already says of other columns stays."""
    key = {"athlete_id": athlete_id, "valid_from": valid_from}
    statement = insert(athlete_setting).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def set_preferences(connection: Connection, athlete_id: int, values: Values) -> None:
    """Change preferences; the others stay."""
    statement = insert(athlete_preference).values(athlete_id=athlete_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["athlete_id"], set_=dict(values)))


def default_day(connection: Connection, athlete_id: int) -> date | None:
    """From when values hold if nobody says it: today; an athlete's first values from the first activity on.

    None where the athlete has no activity.
    """
    day: date | None = connection.scalar(
        text(
            "SELECT CASE WHEN EXISTS (SELECT FROM strava_athlete_setting WHERE athlete_id = athlete.athlete_id) "
            "THEN today ELSE first_day END FROM strava_analytics.athlete AS athlete WHERE athlete_id = :id"
        ),
        {"id": athlete_id},
    )
    return day
