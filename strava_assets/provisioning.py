"""Databases, tables and the bucket: made where they are missing, migrated where they are old. Safe to repeat."""

from collections.abc import Iterator
from typing import Any, cast

from botocore.exceptions import ClientError
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from strava_assets.mirror import migrations
from strava_assets.mirror.database import (
    CONNECT_TIMEOUT_SECONDS,
    engine_for,
    require_utf8,
    transaction,
)
from strava_assets.postgres.errors import clear_error, place
from strava_assets.raw.s3_errors import NO_BUCKET, clear_errors, error_code
from strava_assets.services import s3_access
from strava_assets.settings import Settings
from strava_assets.views import schema


def initialise(settings: Settings) -> Iterator[str]:
    """Do what is missing, a line of progress a step.

    Raises ConfigurationError or ServiceUnavailable, saying what to do, where a service refuses or does not answer.
    """
    for url in (settings.database_url, settings.dagster_postgres_url):
        created = create_database(url)
        with transaction(engine_for(url)) as connection:
            require_utf8(connection, url)
        yield f"database {url.database} at {place(url)}: {'created' if created else 'is there'}"
    yield f"table strava_activity: {migrate(settings.database_url)}"
    create_dagster_storage(settings.dagster_postgres_url)
    yield "Dagster's storage: is up to date"
    created = create_bucket(settings)
    yield f"bucket {settings.s3_bucket}: {'created' if created else 'is there'}"


def create_database(url: URL) -> bool:
    """Create the database if it is missing; True if it was."""
    server = create_engine(
        url.set(database="postgres"),
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )
    try:
        with server.connect() as connection:
            if connection.execute(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database}
            ).scalar():
                return False
            quoted = connection.dialect.identifier_preparer.quote(url.database or "")
            # Where the server's own encoding is another, UTF-8 goes with the locale C only.
            connection.execute(text(f"CREATE DATABASE {quoted}" + ("" if _makes_utf8(connection) else f" {_IN_UTF8}")))
            # Compiling a view's query takes as long as the query does.
            connection.execute(text(f"ALTER DATABASE {quoted} SET jit = off"))
            return True
    except DBAPIError as error:
        return _exists_all_the_same(url, error)
    finally:
        server.dispose()


_IN_UTF8 = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"


def _makes_utf8(connection: Connection) -> bool:
    template = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1'"
    return connection.execute(text(template)).scalar() == "UTF8"


def _exists_all_the_same(url: URL, error: DBAPIError) -> bool:
    """A user may have no access to the database `postgres`, and a database made by somebody else."""
    try:
        with engine_for(url).connect():
            return False
    except DBAPIError:
        raise clear_error(error, url) from None


def migrate(url: URL) -> str:
    """Migrate tables and views, all or nothing; says from which revision to which.

    The views are away meanwhile: they would keep Postgres from changing the columns that they read.
    """
    after = migrations.newest_revision()
    with transaction(engine_for(url)) as connection:
        migrations.wait_for_others(connection)
        before = migrations.current_revision(connection)
        if before != after or not schema.are_current(connection):
            grants = schema.drop(connection)
            migrations.upgrade_on(connection)
            schema.create(connection, grants)
    return f"is at revision {after}" if before == after else f"migrated from {before or 'nothing'} to revision {after}"


def create_dagster_storage(url: URL) -> None:
    """Create or migrate Dagster's own tables, as `dagster instance migrate` does."""
    # Imported here: Dagster costs seconds, and a missing database should be reported before.
    from dagster_postgres import (  # noqa: PLC0415
        PostgresEventLogStorage,
        PostgresRunStorage,
        PostgresScheduleStorage,
    )

    address = url.render_as_string(hide_password=False)
    runs = PostgresRunStorage(address)
    runs.upgrade()
    runs.migrate()
    events = PostgresEventLogStorage(address)
    events.upgrade()
    events.reindex_assets()
    schedules = PostgresScheduleStorage(address)
    schedules.upgrade()
    schedules.migrate()


def create_bucket(settings: Settings) -> bool:
    """Create the bucket if it is missing; True if it was."""
    access = s3_access(settings)
    client = access.client()
    with clear_errors(access.where, access.bucket):
        try:
            client.head_bucket(Bucket=access.bucket)
        except ClientError as error:
            if error_code(error) not in NO_BUCKET:
                raise
        else:
            return False
    # S3 wants the region to be named, except where it is the default one.
    region = access.region_name
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with clear_errors(access.where, access.bucket, "the creation of"):
        client.create_bucket(Bucket=access.bucket, **cast("Any", elsewhere))
    return True
