"""Dagster's connections to its Postgres storage: kept, and checked before each use.

Stock storage connects anew for every event, a hundred times in a run of one hour, except in the webserver.
That keeps its connections but does not check them, so that the first requests after a restart of Postgres fail.
At rest, it also writes and asks what it knows already, which is left out here.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

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

    def set_cursor_values(self, pairs: Mapping[str, str]) -> None:
        """Write those that differ: run retries set their cursors every five seconds, and they stay for hours."""
        there = self.get_cursor_values(set(pairs))
        if changed := {key: value for key, value in pairs.items() if there.get(key) != value}:
            super().set_cursor_values(changed)


_Arguments = ParamSpec("_Arguments")


def _until_true(ask: Callable[_Arguments, bool]) -> Callable[_Arguments, bool]:
    """Ask no more once the answer was yes: a table or an index that is there stays."""

    @wraps(ask)
    def remembered(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> bool:
        storage: Any = arguments[0]
        known: set[tuple[object, ...]] = storage.__dict__.setdefault("_known_to_be_there", set())
        question = ask.__name__, *(each for each in arguments if isinstance(each, str))
        if question not in known and ask(*arguments, **options):
            known.add(question)
        return question in known

    return remembered


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Stock schedule storage, with connections that can be kept; it asks Postgres for its tables' names only once."""

    has_instigators_table = _until_true(PostgresScheduleStorage.has_instigators_table)
    _has_instigators_table = _until_true(PostgresScheduleStorage._has_instigators_table)
    has_built_index = _until_true(PostgresScheduleStorage.has_built_index)
    _has_asset_daemon_asset_evaluations_table = _until_true(
        PostgresScheduleStorage._has_asset_daemon_asset_evaluations_table
    )
