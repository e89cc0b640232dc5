"""`strava-assets restore FOLDER`: what `backup` wrote, into empty databases, bucket and Redis."""

from pathlib import Path

import click
from sqlalchemy import URL, text

from strava_assets.cli.backup import DATABASES, LOGINS, OBJECTS
from strava_assets.cli.console import console
from strava_assets.cli.postgres_tools import restore
from strava_assets.errors import ConfigurationError
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.provisioning import create_bucket, create_database, migrate
from strava_assets.raw.s3_errors import clear_errors
from strava_assets.services import open_redis, s3_access
from strava_assets.settings import Settings
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.strava.tokens import Token, TokenStore


@click.command(name="restore", help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--without-databases", is_flag=True, help="The databases have been restored already, by pg_restore.")
def command(folder: Path, *, without_databases: bool) -> None:
    """Refuses to touch what is not empty. Afterwards `strava-assets reconcile` brings it up to date."""
    settings = Settings.from_environment()
    urls = () if without_databases else (settings.database_url, settings.dagster_postgres_url)
    dumps = {url: folder / DATABASES / f"{url.database}.dump" for url in urls}
    for url, file in dumps.items():
        if not file.exists():
            raise ConfigurationError(
                f"{folder} holds no {file.name}. A database is restored under the name it was saved with."
            )
        _require_empty(url)
    tokens = TokenStore(open_redis(settings))
    if tokens.keys():
        raise ConfigurationError("Redis holds logins already. Restore into an empty one.")
    for url, file in dumps.items():
        with console().status(f"Restoring the database {url.database}"):
            restore(url, file)
    migrate(settings.database_url)
    create_bucket(settings)
    with console().status("Copying the raw objects"):
        count = _put_objects(settings, folder / OBJECTS)
    evidence = EvidenceStore(tokens.redis)
    logins = sorted((folder / LOGINS).glob("*.json"))
    for file in logins:
        token = Token.from_json(file.read_text(), file.stem)
        tokens.save(file.stem, token)
        # It may have been renewed since the backup, and is void then without any withdrawal.
        evidence.begin_renewal(file.stem, token.refresh_token)
    click.echo(f"{len(urls)} databases, {count} objects and {len(logins)} logins are restored.")


def _require_empty(url: URL) -> None:
    """Create the database if it is missing. Raises ConfigurationError where it has tables."""
    create_database(url)
    with transaction(engine_for(url)) as connection:
        if connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar():
            raise ConfigurationError(f"The database {url.database!r} has tables already. Restore into empty ones.")


def _put_objects(settings: Settings, source: Path) -> int:
    access = s3_access(settings)
    client = access.client()
    files = [file for file in sorted(source.rglob("*")) if file.is_file()]
    with clear_errors(access.where, access.bucket):
        for file in files:
            client.put_object(
                Bucket=access.bucket,
                Key=file.relative_to(source).as_posix(),
                Body=file.read_bytes(),
                ContentType="application/json",
            )
    return len(files)
