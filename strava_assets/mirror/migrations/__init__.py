"""The schema's history (Alembic): one command brings any database to the newest revision."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

VERSION_TABLE = "strava_assets_version"
"""Not Alembic's default name: Dagster keeps its own there, and may share the database."""


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, taking over the table of the Airflow DAG. Safe to repeat."""
    with engine.begin() as connection:
        wait_for_others(connection)
        upgrade_on(connection)


def wait_for_others(connection: Connection) -> None:
    """Of two that migrate at once, let the second wait for the end of the first one's transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('strava_assets migrations'))"))


def upgrade_on(connection: Connection) -> None:
    """Bring the database to the newest revision, in the connection's transaction."""
    command.upgrade(_config(connection), "head")


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None if it was never migrated."""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def newest_revision() -> str:
    """The revision that this version of the code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    # A package, not a path: that would be read as an ini file's value, and may have a % in it.
    config.set_main_option("script_location", "strava_assets.mirror:migrations")
    config.attributes["connection"] = connection
    return config
