"""Rows of the old Airflow DAG know no athlete: they belong to the one whose token lies where it left it."""

from sqlalchemy import Engine, text

from strava_assets.mirror.database import transaction


def assign_airflow_rows(engine: Engine, athlete_id: int | None) -> int:
    """Give rows without an athlete to the one whom the Airflow DAG served, if known by now; how many those were."""
    if athlete_id is None:
        return 0
    statement = text("UPDATE strava_activity SET athlete_id = :athlete_id WHERE athlete_id IS NULL")
    with transaction(engine) as connection:
        return connection.execute(statement, {"athlete_id": athlete_id}).rowcount
