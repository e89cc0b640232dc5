"""Has Postgres forget what was deleted: until then it is in dead rows, in statistics and in its write-ahead log."""

from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from strava_assets.mirror.database import clear_error
from strava_assets.mirror.table import metadata

LOCK_TIMEOUT = "20s"
"""A table that is in use for longer fails the compaction, which is then to be repeated."""


def compact_mirror(engine: sa.Engine) -> None:
    """Compact our own tables."""
    with engine.begin() as connection:
        for table in metadata.tables.values():
            _forget_statistics_if_empty(connection, table)
    compact(engine, list(metadata.tables))


def compact(engine: sa.Engine, tables: Sequence[str], *, is_full: bool = True) -> None:
    """Write the tables anew without dead rows, with statistics of what is there now, and drop old write-ahead log.

    Unless `is_full`, dead rows are only given free, to be overwritten by the next ones, and nobody has to wait.

    Raises ServiceUnavailable if a table is locked for long. What only a superuser may do is left out for others: of
    the log, their server's own settings decide.
    """
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            for table in tables:
                connection.execute(sa.text(f"VACUUM ({'FULL, ' if is_full else ''}ANALYZE) {table}"))
            connection.execute(sa.text("RESET lock_timeout"))
    except DBAPIError as error:
        raise clear_error(error, engine.url) from None
    with suppress(DBAPIError), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SELECT pg_switch_wal()"))
        connection.execute(sa.text("CHECKPOINT"))


def _forget_statistics_if_empty(connection: sa.Connection, table: sa.Table) -> None:
    """ANALYZE keeps the statistics of a table without rows, so it is shown one, which nobody else sees."""
    if connection.execute(sa.select(sa.exists().select_from(table))).scalar():
        return
    needed = [column for column in table.c if not column.nullable and column.server_default is None]
    connection.execute(table.insert().values({column: _any_value(column) for column in needed}))
    connection.execute(sa.text(f"ANALYZE {table.name}"))
    connection.execute(table.delete())


def _any_value(column: sa.Column[object]) -> object:
    values = {sa.BigInteger: 0, sa.Integer: 0, sa.Text: "", sa.Boolean: False}
    kind = next((kind for kind in values if isinstance(column.type, kind)), None)
    if kind is not None:
        return values[kind]
    return {} if isinstance(column.type, sa.JSON) else sa.func.now()
