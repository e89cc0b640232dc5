"""Rows of the old Airflow DAG know no athlete: they belong to the one whose token lies where it left it."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from strava_assets.mirror.database import transaction


def assign_airflow_rows(engine: Engine, first_athlete: Callable[[], int | None]) -> int:
    """Give rows without an athlete to the first athlete, if known by now; how many those were."""
    with transaction(engine) as connection:
        if not has_unowned_rows(connection):
            return 0
        athlete_id = first_athlete()
        return 0 if athlete_id is None else assign_rows(connection, athlete_id)


def assign_rows(connection: Connection, athlete_id: int) -> int:
    """Give rows of the Airflow DAG, which know no athlete, to the one athlete it served; how many those were."""
    statement = text("UPDATE strava_activity SET athlete_id = :athlete_id WHERE athlete_id IS NULL")
    return connection.execute(statement, {"athlete_id": athlete_id}).rowcount


def has_unowned_rows(connection: Connection) -> bool:
    """Whether there are rows that the Airflow DAG wrote and that have no athlete yet."""
    return bool(
        connection.execute(text("SELECT EXISTS (SELECT FROM strava_activity WHERE athlete_id IS NULL)")).scalar()
    )
