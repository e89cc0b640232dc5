"""Removes deleted data from the mirror's files, and from the statistics of tables that are empty now."""

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from strava_assets.mirror.database import transaction
from strava_assets.mirror.table import metadata
from strava_assets.postgres.compaction import compact


def compact_mirror(engine: sa.Engine) -> None:
    """Compact our own tables."""
    with transaction(engine) as connection:
        for table in metadata.tables.values():
            _reset_statistics_if_empty(connection, table)
    compact(engine, list(metadata.tables))


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
