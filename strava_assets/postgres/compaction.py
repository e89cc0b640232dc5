"""Removes deleted data from Postgres' files: until then it is in dead rows, statistics and the write-ahead log."""

import time
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE
from sqlalchemy.exc import DBAPIError

from strava_assets.errors import ServiceUnavailable
from strava_assets.postgres.errors import clear_error

LOCK_TIMEOUT = "500ms"
"""While a compaction waits for a table, whoever wants to read it waits behind it: so it waits shortly, and often."""

PAUSE = 2.0
"""Seconds before it tries again."""

PATIENCE = 180.0
"""Seconds in which a table must have been free once; the longest loads and imports take less."""


def compact(engine: sa.Engine, tables: Sequence[str]) -> None:
    """Write the tables anew without dead rows, with statistics of what is there now, and drop old write-ahead log.

    Raises ServiceUnavailable if a table is in use for long. What only a superuser may do is left out for others: of
    the log, their server's own settings decide.
    """
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            for table in tables:
                _rewrite(connection, table)
            connection.execute(sa.text("RESET lock_timeout"))
    except DBAPIError as error:
        raise clear_error(error, engine.url) from None
    with suppress(DBAPIError), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("VACUUM (FULL) pg_catalog.pg_statistic", "SELECT pg_switch_wal()", "CHECKPOINT"):
            connection.execute(sa.text(statement))


def _rewrite(connection: sa.Connection, table: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(sa.text(f"VACUUM (FULL, ANALYZE) {table}"))
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"The table {table} is in use all the time, so its files still hold what was deleted. Run the same "
                    "again."
                ) from None
            time.sleep(PAUSE)
        else:
            return
