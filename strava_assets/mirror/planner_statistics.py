"""What Postgres' planner knows about the table's rows."""

from sqlalchemy import Connection, text

_FEW = 50
"""Fewer new rows change no plan, and a load of an hour is not held up."""


def update_statistics(connection: Connection, inserted: int) -> None:
    """Have the planner know many new rows at once: until autovacuum does, a report can take 20 s instead of one.

    Waits for nobody: whoever holds the table's lock is about to do the same.
    """
    if inserted <= _FEW:
        return
    known = connection.execute(text("SELECT reltuples FROM pg_class WHERE oid = 'strava_activity'::regclass"))
    if inserted > known.scalar_one() / 10:
        connection.execute(text("ANALYZE (SKIP_LOCKED) strava_activity"))
