"""Athletes' own settings and preferences: reads and writes the two tables below the views."""

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


def default_day(connection: Connection, athlete_id: int) -> date:
    """From when values hold if nobody says it: an athlete's first values always, later ones from today on.

    Not from the first activity: an import may bring earlier ones.
    """
    query = "SELECT count(*) FROM strava_athlete_setting WHERE athlete_id = :id"
    if not connection.scalar(text(query), {"id": athlete_id}):
        return date.min
    today = "SELECT today FROM strava_analytics.athlete WHERE athlete_id = :id"
    day: date = connection.execute(text(today), {"id": athlete_id}).scalar_one()
    return day


def heart_rates_out_of_order(connection: Connection, athlete_id: int) -> date | None:
    """The first day from which heart rates hold that cannot be together; guesses are not held against anybody."""
    query = """
        SELECT min(valid_from)
        FROM (
            SELECT
                valid_from,
                CASE WHEN NOT 'hr_rest' = ANY (guessed) THEN hr_rest END AS rest,
                CASE WHEN NOT 'hr_threshold' = ANY (guessed) THEN hr_threshold END AS threshold,
                CASE WHEN NOT 'hr_max' = ANY (guessed) THEN hr_max END AS most
            FROM strava_analytics.athlete_setting
            WHERE athlete_id = :id
        ) AS said
        WHERE rest >= threshold OR threshold > most OR rest >= most
    """
    day: date | None = connection.scalar(text(query), {"id": athlete_id})
    return day
