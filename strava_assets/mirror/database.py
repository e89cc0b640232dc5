"""The connection to the table's database, with errors that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from psycopg2 import errorcodes
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from strava_assets.errors import ConfigurationError, ServiceUnavailable, StatementRefused, StravaAssetsError

CONNECT_TIMEOUT_SECONDS = 5

_PASSES = re.compile("starting up|shutting down|recovery|too many|remaining connection slots|terminating|startup")
"""In what a server says that will soon take connections again."""


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


def clear_error(error: DBAPIError, url: URL) -> StravaAssetsError:
    """The error of this project that says in one line what a database error means."""
    # A name of a service in PGSERVICE, which is shown, may be a URL by mistake.
    reason = re.sub(r"//[^/\s]*@", "//...@", str(error.orig).strip().partition("\n")[0])[:200]
    where = f"the database {url.database!r} at {place(url)}"
    if fault := _configuration_fault(error, url, where, reason):
        return ConfigurationError(fault)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return ServiceUnavailable(
            f"Postgres at {place(url)} does not answer ({reason}). Is it running? Check DATABASE_URL."
        )
    return StatementRefused(f"{where} refused a statement ({reason}).")


def _configuration_fault(error: DBAPIError, url: URL, where: str, reason: str) -> str | None:  # noqa: PLR0911 - one each
    code = getattr(error.orig, "pgcode", None)
    if isinstance(error, ProgrammingError) and code in {errorcodes.UNDEFINED_TABLE, errorcodes.UNDEFINED_COLUMN}:
        return f"The tables in {where} are missing or too old. Migrate it with: strava-assets init."
    if code == errorcodes.DEPENDENT_OBJECTS_STILL_EXIST:
        detail = str(getattr(error.orig, "diag").message_detail or reason).partition("\n")[0]  # noqa: B009
        return f"A migration of {where} is stopped by a view of yours: {detail}. Drop it, repeat, create it again."
    if code == errorcodes.INVALID_SCHEMA_NAME:
        return f"No schema of the search_path exists in {where} ({reason}). Create it, or change the URL's search_path."
    if code == errorcodes.INSUFFICIENT_PRIVILEGE:
        return f"The user {url.username!r} may not do that in {where} ({reason}). Grant it, or use another user."
    if isinstance(error, OperationalError) and f'database "{url.database}" does not exist' in str(error.orig):
        return f"There is no {where}. Create it with: strava-assets init."
    if isinstance(error, OperationalError) and "authentication failed" in str(error.orig):
        return f"Postgres at {place(url)} refuses the user {url.username!r}. Check DATABASE_URL."
    if isinstance(error, OperationalError) and "FATAL:" in str(error.orig) and not _PASSES.search(str(error.orig)):
        return f"Postgres at {place(url)} refuses the connection ({reason}). Check DATABASE_URL."
    return None


def require_utf8(connection: Connection, url: URL) -> None:
    """Raise ConfigurationError for a database that could not store every title, one with an emoji for example."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database {url.database!r} at {place(url)} has the encoding {encoding}, which cannot store every "
            f"title. Use one made with: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
        )


def place(url: URL) -> str:
    """Host and port, or the socket's folder, of a database; never its password."""
    host = url.host or url.query.get("host") or "the local socket"
    if not isinstance(host, str):  # several, one of which answers
        host = " or ".join(host)
    return f"{host}:{url.port}" if url.port else host


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
