"""Dagster's connections to its Postgres storage: kept, and checked before each use.

Stock storage connects anew for every event, a hundred times in a run of one hour, except in the webserver.
That keeps its connections but does not check them, so that the first requests after a restart of Postgres fail.
"""

from typing import Any

from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.utils import set_pg_statement_timeout
from psycopg2 import InterfaceError, OperationalError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError


def _check(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - psycopg2's, from SQLAlchemy
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (InterfaceError, OperationalError):
        raise DisconnectionError("Postgres has ended this connection") from None  # the pool makes another


_POOL_SIZE = 5
"""Connections."""

_engines: dict[tuple[str, int], Engine] = {}
"""Of this process, by URL and time limit: each connection is a process of Postgres', so there are few of them."""


class _Pooled:
    """What the three storages have in common; before the stock one among a class' bases."""

    _engine: Engine
    postgres_url: str

    def keep_connections(self) -> None:
        """Do in any process what Dagster does in the webserver, without its limit on the time of a statement."""
        self.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=20)

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Keep connections as the stock storage does in the webserver, check them, and share them among the three.

        One for each thread that works at once: what is beyond the pool is connected anew, a process of Postgres' each.
        """
        key = self.postgres_url, statement_timeout
        if key not in _engines:
            engine = create_engine(
                self.postgres_url,
                isolation_level="AUTOCOMMIT",
                pool_size=_POOL_SIZE,
                pool_use_lifo=True,
                pool_recycle=pool_recycle,
                max_overflow=max_overflow,
            )
            event.listen(engine, "connect", lambda each, _record: set_pg_statement_timeout(each, statement_timeout))
            event.listen(engine, "checkout", _check)
            _engines[key] = engine
        self._engine = _engines[key]


class PooledEventLogStorage(_Pooled, PostgresEventLogStorage):
    """Stock event log storage, with connections that can be kept."""


class PooledRunStorage(_Pooled, PostgresRunStorage):
    """Stock run storage, with connections that can be kept."""


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Stock schedule storage, with connections that can be kept."""
