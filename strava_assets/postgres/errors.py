"""What a database error means, in one line that says what to do."""

import re

from psycopg2 import errorcodes
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from strava_assets.errors import ConfigurationError, ServiceUnavailable, StatementRefused, StravaAssetsError

_PASSES = re.compile("starting up|shutting down|recovery|too many|remaining connection slots|terminating|startup")
"""In what a server says that will soon take connections again."""


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


def place(url: URL) -> str:
    """Host and port, or the socket's folder, of a database; never its password."""
    host = url.host or url.query.get("host") or "the local socket"
    if not isinstance(host, str):  # several, one of which answers
        host = " or ".join(host)
    return f"{host}:{url.port}" if url.port else host
