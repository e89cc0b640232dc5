"""`strava-assets backup FOLDER`: both databases, the raw objects and the logins, into a folder."""

from pathlib import Path

import click
from sqlalchemy import URL, text

from strava_assets.cli.console import console, counted
from strava_assets.cli.postgres_tools import dump
from strava_assets.errors import ConfigurationError
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.raw.s3_errors import clear_errors
from strava_assets.services import open_redis, s3_access
from strava_assets.settings import Settings
from strava_assets.strava.tokens import TokenStore

DATABASES, OBJECTS, LOGINS = "databases", "objects", "logins"

MIRROR, DAGSTER = "mirror", "dagster"
"""The dumps' names, whatever the databases are called. Where one database is both, there is only the first."""


@click.command(name="backup", help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--without-databases", is_flag=True, help="Leave the folder's databases empty: pg_dump runs elsewhere.")
def command(folder: Path, *, without_databases: bool) -> None:
    """Everything that is needed elsewhere; `strava-assets restore` reads it.

    The folder holds the athletes' tokens and data: it is made readable by you only; keep it so.
    """
    settings = Settings.from_environment()
    _make(folder)
    out = console()
    # Tokens first: a renewal during the backup voids the older one, and a login is soon repeated.
    tokens = TokenStore(open_redis(settings)).tokens()
    for key, token in tokens.items():
        (folder / LOGINS / f"{key}.json").write_text(token.to_json())
    databases = {} if without_databases else different_databases(settings)
    for name, url in databases.items():
        with out.status(f"Dumping the database {url.database}"):
            dump(url, folder / DATABASES / f"{name}.dump")
    with out.status("Copying the raw objects"):
        count = _copy_objects(settings, folder / OBJECTS)
    click.echo(
        f"{counted(len(databases), 'database')}, {counted(count, 'object')} and {counted(len(tokens), 'login')} "
        f"are in {folder}."
    )


def different_databases(settings: Settings) -> dict[str, URL]:
    """The database of the mirror, and Dagster's where that is another one, however the two URLs are written."""
    urls = {MIRROR: settings.database_url, DAGSTER: settings.dagster_postgres_url}
    return urls if len({_identity(url) for url in urls.values()}) > 1 else {MIRROR: settings.database_url}


def _identity(url: URL) -> str:
    with transaction(engine_for(url)) as connection:
        return str(
            connection.execute(
                text("SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()")
            ).one()
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty. Give a new folder, so that two backups do not mix.")
        folder.chmod(0o700)
        for name in (DATABASES, OBJECTS, LOGINS):
            (folder / name).mkdir()
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be made: {error.strerror}.") from None


def _copy_objects(settings: Settings, target: Path) -> int:
    access = s3_access(settings)
    client = access.client()
    count = 0
    with clear_errors(access.where, access.bucket):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=access.bucket, Prefix=f"{access.prefix}/" if access.prefix else ""
        )
        for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
            file = target / key
            if not file.resolve().is_relative_to(target.resolve()):
                raise ConfigurationError(f"The bucket holds an object with the unsafe key {key!r}. Remove it first.")
            body = client.get_object(Bucket=access.bucket, Key=key)["Body"].read()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
            count += 1
    return count
