"""What is in the table, and what should be: the simulated Strava's activities, validated."""

from typing import Any

from sqlalchemy import create_engine, make_url, text

from strava_assets.mirror.activity import Activity, validate
from strava_assets.simulator.simulation import Simulation


def rows(environment: dict[str, str]) -> dict[int, dict[str, Any]]:
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.connect() as connection:
        found = {row.id: dict(row._mapping) for row in connection.execute(text("SELECT * FROM strava_activity"))}
    engine.dispose()
    return found


def expected_rows(simulation: Simulation) -> dict[int, dict[str, Any]]:
    truth = {}
    for athlete_id, account in simulation.accounts.items():
        for raw in account.activities.values():
            valid = validate(raw, athlete_id)
            if isinstance(valid, Activity):
                truth[valid.id] = valid.model_dump()
    return truth
