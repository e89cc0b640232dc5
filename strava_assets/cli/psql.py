"""`strava-assets psql`: the mirror's database by psql, wherever that is found, else by a plain prompt."""

import os
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

from strava_assets.cli.console import counted, printable
from strava_assets.cli.postgres_tools import folders_of_programs, libpq_target
from strava_assets.errors import ConfigurationError
from strava_assets.local.own_command import up_command
from strava_assets.local.settings_file import FOLDER
from strava_assets.postgres.errors import clear_error
from strava_assets.settings import Settings


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("-c", "--command", "query", metavar="SQL", help="Run this and end, instead of opening a prompt.")
@click.option("--dagster", is_flag=True, help="Open Dagster's own database instead: runs, events, schedules.")
@click.argument("psql_options", nargs=-1, type=click.UNPROCESSED)
def command(query: str | None, *, dagster: bool, psql_options: tuple[str, ...]) -> None:
    """Open the mirror's database, or run a query on it; further options are passed on to psql.

    Example: strava-assets psql -c 'SELECT name, start_date FROM strava_activity ORDER BY id DESC LIMIT 5'
    """
    if not os.environ.get("DATABASE_URL") and (Path.cwd() / FOLDER).exists():
        # Of a running one the group would have set it.
        raise ConfigurationError(
            f"The embedded Postgres does not run. Start it in another terminal: {up_command()}. Or set DATABASE_URL."
        )
    settings = Settings.from_environment()
    url = settings.dagster_postgres_url if dagster else settings.database_url
    if program := _psql():
        _become_psql(program, url, [*(["-c", query] if query else []), *psql_options])
    if psql_options:
        raise ConfigurationError(
            f"psql is not installed, so {psql_options[0]} cannot be given. Install Postgres's client."
        )
    is_done = _execute(url, [query] if query else _prompt())
    if query and not is_done:
        sys.exit(1)  # as psql does


def _psql() -> str | None:
    """The psql on the PATH, else the wheel's."""
    return next((str(folder / "psql") for folder in folders_of_programs("psql")), None)


def _become_psql(program: str, url: URL, options: list[str]) -> None:
    """Replace this process by psql."""
    target, environment = libpq_target(url)
    environment.setdefault("PGAPPNAME", "strava-assets psql")
    os.execve(program, [program, target, *options], environment)  # noqa: S606 - psql, found on the PATH or in the wheel


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


def _execute(url: URL, statements: Iterator[str] | list[str]) -> bool:
    """Run and show each; whether the last one succeeded."""
    is_done = True
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                is_done = _show(connection, statement)
    except OperationalError as error:
        raise clear_error(error, url) from None
    finally:
        engine.dispose()
    return is_done


def _show(connection: Connection, statement: str) -> bool:
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        result = connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if isinstance(error, OperationalError):
            raise
        Console(stderr=True, soft_wrap=True).print(_lines(str(error.orig).strip()))
        return False
    if not result.returns_rows:
        console.print(counted(result.rowcount, "row"))
        return True
    table = Table()
    for name in result.keys():  # noqa: SIM118 - a row's names, not a dict's
        table.add_column(_lines(name))
    for row in result:
        table.add_row(*(_lines("" if value is None else str(value)) for value in row))
    console.print(table)
    return True


def _lines(text: str) -> Text:
    """As Text: what stands in brackets would be markup to rich otherwise."""
    return Text("\n".join(printable(line) for line in text.split("\n")))
