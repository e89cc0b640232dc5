"""`strava-assets backup FOLDER`: both databases, the raw objects and the logins, into a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy import URL, text

from strava_assets.cli.console import console, counted
from strava_assets.cli.postgres_tools import dump
from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.raw.s3_access import S3Access
from strava_assets.raw.s3_errors import clear_errors
from strava_assets.services import open_engine, open_redis, s3_access
from strava_assets.settings import Settings
from strava_assets.strava.tokens import TokenStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROUNDS = 5
"""How often objects that have changed meanwhile are saved again."""

DATABASES, OBJECTS, LOGINS = "databases", "objects", "logins"

UNFINISHED = "unfinished"
"""A file that is there until everything is saved. What a killed backup left looks like one of a smaller platform."""

MIRROR, DAGSTER = "mirror", "dagster"
"""The dumps' names, whatever the databases are called. Where one database is both, there is only the first."""


@click.command(name="backup")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--without-databases", is_flag=True, help="Leave the folder's databases empty: pg_dump runs elsewhere.")
def command(folder: Path, *, without_databases: bool) -> None:
    """Save both databases, the raw objects and the logins into a folder, for `strava-assets restore`.

    The folder holds the athletes' tokens and data: it is made readable by you only; keep it so.
    """
    settings = Settings.from_environment()
    with _closed_to_others(), _new(folder):
        _back_up(settings, folder, without_databases=without_databases)


def _back_up(settings: Settings, folder: Path, *, without_databases: bool) -> None:
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
    if not without_databases:
        _require_objects_of_rows(settings, count)
    (folder / UNFINISHED).unlink()
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


@contextmanager
def _new(folder: Path) -> Iterator[None]:
    """Make the folder; of a backup that fails nothing is left, so that none is taken for a whole one."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder} is not empty. Give a new folder, so that two backups do not mix.")
        folder.chmod(0o700)
        (folder / UNFINISHED).touch()
        for name in (DATABASES, OBJECTS, LOGINS):
            (folder / name).mkdir()
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be made: {error.strerror}.") from None
    try:
        yield
    except BaseException:
        for name in (DATABASES, OBJECTS, LOGINS):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / UNFINISHED).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else has put something there
            for each in missing:
                each.rmdir()
        raise


def _copy_objects(settings: Settings, target: Path) -> int:
    """Save every object, and again what has changed by then, until the bucket says just what was saved."""
    access = s3_access(settings)
    client = access.client()
    saved: dict[str, str] = {}
    with clear_errors(access.where, access.bucket):
        for _ in range(ROUNDS):
            there = etags(client, access)
            for key in saved.keys() - there.keys():
                (target / key).unlink()
                del saved[key]
            changed = [key for key, etag in there.items() if saved.get(key) != etag]
            if not changed:
                return len(saved)
            for key in changed:
                with suppress(client.exceptions.NoSuchKey):
                    saved[key] = _save(client, access.bucket, key, target)
    raise ServiceUnavailable(
        "Raw objects keep changing while they are saved. End the import or the backfill, and back up again."
    )


def etags(client: "S3Client", access: S3Access) -> dict[str, str]:
    """The ETag of every object under the prefix, by key."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=access.bucket, Prefix=f"{access.prefix}/" if access.prefix else ""
    )
    return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}


def _save(client: "S3Client", bucket: str, key: str, target: Path) -> str:
    """Save an object; the ETag of what was saved."""
    file = target / key
    if not file.resolve().is_relative_to(target.resolve()):
        raise ConfigurationError(f"The bucket holds an object with the unsafe key {key!r}. Remove it first.")
    answer = client.get_object(Bucket=bucket, Key=key)
    body = answer["Body"].read()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return answer["ETag"].strip('"')


def _require_objects_of_rows(settings: Settings, count: int) -> None:
    """Raises ConfigurationError where the mirror was made from raw objects, and none was found to be saved."""
    with transaction(open_engine(settings)) as connection:
        mirrored = connection.execute(text("SELECT count(*) FROM strava_mirrored_object")).scalar_one()
    if mirrored and not count:
        raise ConfigurationError(
            f"The table was made from {counted(mirrored, 'raw object')}, but the bucket {settings.s3_bucket!r} has "
            f"none under {settings.s3_prefix!r}: none was saved. Check S3_BUCKET, S3_PREFIX and AWS_ENDPOINT_URL_S3."
        )


@contextmanager
def _closed_to_others() -> Iterator[None]:
    """Files that are made meanwhile, by programs of Postgres too, are for their owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
