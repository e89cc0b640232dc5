"""Rows of the old Airflow DAG know no athlete: they belong to the one whose token lies where it left it."""

from sqlalchemy import Engine

from strava_assets.mirror.database import transaction
from strava_assets.mirror.load import adopt_rows, has_unowned_rows
from strava_assets.strava.tokens import FIRST_KEY, TokenStore


def adopt_old_rows(engine: Engine, tokens: TokenStore) -> int:
    """Give rows without an athlete to the first athlete, if known by now; how many those were.

    An old token does not say whose it is: `StravaClient.athletes` asks, and has to come first.
    """
    with transaction(engine) as connection:
        if not has_unowned_rows(connection):
            return 0
        token = tokens.load(FIRST_KEY)
        return adopt_rows(connection, token.athlete_id) if token and token.athlete_id is not None else 0
