"""Rows of the old Airflow DAG know no athlete: they belong to the one whose token lies where it left it."""

from sqlalchemy import Connection, Engine, text

from strava_assets.mirror.database import transaction
from strava_assets.strava.tokens import FIRST_KEY, TokenStore


def assign_airflow_rows(engine: Engine, tokens: TokenStore) -> int:
    """Give rows without an athlete to the first athlete, if known by now; how many those were.

    An old token does not say whose it is: `StravaClient.athletes` asks, and has to come first.
    """
    with transaction(engine) as connection:
        if not has_unowned_rows(connection):
            return 0
        token = tokens.load(FIRST_KEY)
        return assign_rows(connection, token.athlete_id) if token and token.athlete_id is not None else 0


def assign_rows(connection: Connection, athlete_id: int) -> int:
    """Give rows of the Airflow DAG, which know no athlete, to the one athlete it served; how many those were."""
    statement = text("UPDATE strava_activity SET athlete_id = :athlete_id WHERE athlete_id IS NULL")
    return connection.execute(statement, {"athlete_id": athlete_id}).rowcount


def has_unowned_rows(connection: Connection) -> bool:
    """Whether there are rows that the Airflow DAG wrote and that have no athlete yet."""
    return bool(
        connection.execute(text("SELECT EXISTS (SELECT FROM strava_activity WHERE athlete_id IS NULL)")).scalar()
    )
