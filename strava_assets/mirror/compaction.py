"""Has Postgres forget what was deleted: until then it is in dead rows, in statistics and in its write-ahead log."""

from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from strava_assets.mirror.database import clear_error
from strava_assets.mirror.table import metadata

LOCK_TIMEOUT = "20s"
"""A table that is in use for longer fails the compaction, which is then to be repeated."""


def compact_mirror(engine: sa.Engine) -> None:
    """Compact our own tables."""
    with engine.begin() as connection:
        for table in metadata.tables.values():
            _reset_statistics_if_empty(connection, table)
    compact(engine, list(metadata.tables))


def compact(engine: sa.Engine, tables: Sequence[str]) -> None:
    """Write the tables anew without dead rows, with statistics of what is there now, and drop old write-ahead log.

    Raises ServiceUnavailable if a table is locked for long. What only a superuser may do is left out for others: of
    the log, their server's own settings decide.
    """
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            for table in tables:
                connection.execute(sa.text(f"VACUUM (FULL, ANALYZE) {table}"))
            connection.execute(sa.text("RESET lock_timeout"))
    except DBAPIError as error:
        raise clear_error(error, engine.url) from None
    with suppress(DBAPIError), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("VACUUM (FULL) pg_catalog.pg_statistic", "SELECT pg_switch_wal()", "CHECKPOINT"):
            connection.execute(sa.text(statement))


def _reset_statistics_if_empty(connection: sa.Connection, table: sa.Table) -> None:
    """ANALYZE keeps the statistics of a table without rows, so it is shown one, which nobody else sees."""
    has_statistics = sa.text("SELECT EXISTS (SELECT FROM pg_stats WHERE tablename = :name)")
    is_filled = connection.execute(sa.select(sa.exists().select_from(table))).scalar()
    if is_filled or not connection.execute(has_statistics, {"name": table.name}).scalar():
        return
    needed = [column for column in table.c if not column.nullable and column.server_default is None]
    # Where a constraint forbids such a row, its statistics stay; no table about activities has one.
    with suppress(IntegrityError), connection.begin_nested():
        row: str = connection.execute(
            table.insert()
            .values({column: _any_value(column) for column in needed})
            .returning(sa.literal_column("ctid"))
        ).scalar_one()
        connection.execute(sa.text(f"ANALYZE {table.name}"))
        connection.execute(table.delete().where(sa.text("ctid = CAST(:row AS tid)").bindparams(row=row)))


def _any_value(column: sa.Column[object]) -> object:
    values = {sa.Integer: 0, sa.Float: 0, sa.Text: "", sa.Boolean: False, sa.JSON: {}}
    return next((value for kind, value in values.items() if isinstance(column.type, kind)), sa.func.now())
