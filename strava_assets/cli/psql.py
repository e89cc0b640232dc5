"""`strava-assets psql`: the mirror's database by psql, wherever that is found, else by a plain prompt."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.postgres_programs import embedded_programs
from strava_assets.local.settings_file import FOLDER
from strava_assets.settings import Settings


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("-c", "--command", "query", metavar="SQL", help="Run this and end, instead of opening a prompt.")
@click.argument("psql_options", nargs=-1, type=click.UNPROCESSED)
def command(query: str | None, psql_options: tuple[str, ...]) -> None:
    """Open the mirror's database, or run a query on it; further options go to psql as they are.

    Example: strava-assets psql -c 'SELECT name, start_date FROM strava_activity ORDER BY id DESC LIMIT 5'
    """
    if not os.environ.get("DATABASE_URL") and (Path.cwd() / FOLDER).exists():
        # Of a running one the group would have set it.
        raise ConfigurationError(
            "The embedded Postgres does not run. Start it in another terminal: make up. Or set DATABASE_URL."
        )
    url = Settings.from_environment().database_url
    if program := _psql():
        _become_psql(program, url, [*(["-c", query] if query else []), *psql_options])
    if psql_options:
        raise ConfigurationError(
            f"psql is not installed, so {psql_options[0]} cannot be given. Install Postgres's client."
        )
    _execute(url, [query] if query else _prompt())


def _psql() -> str | None:
    if found := shutil.which("psql"):
        return found
    try:
        return str(embedded_programs() / "psql")
    except ConfigurationError:
        return None


def _become_psql(program: str, url: URL, options: list[str]) -> None:
    """Replace this process by psql. The password goes by the environment: arguments can be read by every user."""
    if url.password:
        os.environ["PGPASSWORD"] = str(url.password)
    os.environ.setdefault("PGAPPNAME", "strava-assets psql")
    # Not SQLAlchemy's driver, which libpq does not know.
    target = url.set(drivername="postgresql", password="").render_as_string().replace(":***@", "@")
    os.execv(program, [program, target, *options])  # noqa: S606 - psql, found on the PATH or in the wheel


def _prompt() -> Iterator[str]:
    """Statements from the terminal, each up to its semicolon."""
    lines: list[str] = []
    while True:
        try:
            lines.append(input("....> " if lines else "sql> "))
        except EOFError:
            return
        if lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines.clear()


def _execute(url: URL, statements: Iterator[str] | list[str]) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                _show(connection, statement)
    except OperationalError as error:
        raise ServiceUnavailable(f"Postgres at {url.host or url.query.get('host')}: {error.orig}".strip()) from None
    finally:
        engine.dispose()


def _show(connection: Connection, statement: str) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        result = connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if isinstance(error, OperationalError):
            raise
        console.print(f"{error.orig}".strip(), markup=False)
        return
    if not result.returns_rows:
        console.print(f"{result.rowcount} rows", markup=False)
        return
    # As Text: what stands in brackets would be markup to rich otherwise.
    table = Table()
    for name in result.keys():  # noqa: SIM118 - a row's names, not a dict's
        table.add_column(Text(name))
    for row in result:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    console.print(table)
