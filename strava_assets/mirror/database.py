"""The connection to the table's database, with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from strava_assets.errors import ConfigurationError
from strava_assets.postgres.errors import clear_error, place

CONNECT_TIMEOUT_SECONDS = 5


@cache
def engine_for(url: URL) -> Engine:
    """The one engine of this process for a database."""
    engine = create_engine(
        url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    )
    event.listen(engine, "connect", _show_times_in_utc)
    return engine


def _show_times_in_utc(connection: Any, _record: object) -> None:  # noqa: ANN401 - psycopg2's connection
    """In another zone the first and the last day of the calendar lie outside of what a datetime can hold."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection whose work is committed at the end, or rolled back as a whole.

    Raises ServiceUnavailable where Postgres does not answer or hangs up, ConfigurationError where the database or
    its tables are missing or access is denied.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise clear_error(error, engine.url) from None


def require_utf8(connection: Connection, url: URL) -> None:
    """Raise ConfigurationError for a database that could not store every title, one with an emoji for example."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database {url.database!r} at {place(url)} has the encoding {encoding}, which cannot store every "
            f"title. Use one made with: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
        )


def wait_for_other_loads(connection: Connection, athlete_id: int) -> None:
    """Wait until no other transaction changes the athlete's rows; none starts to until this one ends."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('strava_activity', :athlete_id))"),
        {"athlete_id": athlete_id},
    )


@contextmanager
def athlete_locked(engine: Engine, athlete_id: int, *, by_purge: bool = False) -> Iterator[None]:
    """Hold the athlete while something of theirs is written, in table or bucket: no purge of them runs meanwhile.

    Many may write at once. A purge waits for them, and they for it. Raises what `transaction` raises.
    """
    kind = "" if by_purge else "_shared"
    key, whose = "hashtextextended('strava_athlete', :athlete_id)", {"athlete_id": athlete_id}
    try:
        # No transaction: it would keep what a purge deletes from being vacuumed.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"SELECT pg_advisory_lock{kind}({key})"), whose)
            try:
                yield
            finally:
                connection.execute(text(f"SELECT pg_advisory_unlock{kind}({key})"), whose)
    except DBAPIError as error:
        raise clear_error(error, engine.url) from None
