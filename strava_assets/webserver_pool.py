"""The connections that Dagster's webserver keeps to Postgres, checked before each use.

Other processes of Dagster connect anew each time. The webserver keeps connections, unchecked, so after a
restart of Postgres the first requests of the UI and of GraphQL clients failed with status 500.
"""

from typing import Any

from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from psycopg2 import OperationalError
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError


def _check(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - psycopg2's, from SQLAlchemy
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        raise DisconnectionError("Postgres has ended this connection") from None  # the pool makes another


class _Checked:
    """What the three storages have in common; before the stock one among a class' bases."""

    _engine: Engine

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Keep connections as the stock storage does, and check them."""
        super().optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)  # type: ignore[misc]
        event.listen(self._engine, "checkout", _check)


class CheckedEventLogStorage(_Checked, PostgresEventLogStorage):
    """Stock event log storage, with checked connections in the webserver."""


class CheckedRunStorage(_Checked, PostgresRunStorage):
    """Stock run storage, with checked connections in the webserver."""


class CheckedScheduleStorage(_Checked, PostgresScheduleStorage):
    """Stock schedule storage, with checked connections in the webserver."""
