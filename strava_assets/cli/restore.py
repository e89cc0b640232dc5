"""`strava-assets restore FOLDER`: a backup into new databases, or instead of what they hold."""

import hashlib
from pathlib import Path

import click
from sqlalchemy import URL, text

from strava_assets.cli.backup import DAGSTER, DATABASES, LOGINS, MIRROR, OBJECTS, UNFINISHED, different_databases, etags
from strava_assets.cli.console import console, counted
from strava_assets.cli.postgres_tools import restore
from strava_assets.errors import ConfigurationError
from strava_assets.mirror import migrations
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.mirror.table import metadata
from strava_assets.provisioning import create_bucket, create_dagster_storage, create_database, migrate
from strava_assets.raw.s3_errors import clear_errors
from strava_assets.services import open_deletion, open_redis, open_store, s3_access
from strava_assets.settings import Settings
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.state.pending_import import delete_pending_imports
from strava_assets.state.resume_points import ResumePoints
from strava_assets.strava.tokens import Token, TokenStore, further_key

DATA = {MIRROR: ("strava_activity", "strava_activity_reject", "strava_archive_activity"), DAGSTER: ("runs",)}
"""The tables whose rows are somebody's data; what else `init` and a daemon write is made again."""


@click.command(name="restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--replace", is_flag=True, help="Delete what databases and bucket hold now.")
@click.option("--yes", is_flag=True, help="Do not ask before replacing.")
@click.option("--without-databases", is_flag=True, help="The databases have been restored already, by pg_restore.")
def command(folder: Path, *, replace: bool, yes: bool, without_databases: bool) -> None:
    """Restore a backup into new databases, or replace what they hold.

    Works while `strava-assets up` or other services run on the same databases, and can be repeated.

    Databases without data are replaced without asking; others need --replace. Logins in Redis are kept:
    they are newer than the backup's. Afterwards `strava-assets reconcile` brings everything up to date.
    """
    settings = Settings.from_environment()
    if (folder / UNFINISHED).exists():
        raise ConfigurationError(
            f"The backup in {folder} was interrupted and lacks a part. Take another one; if there is none, delete "
            f"{folder / UNFINISHED} to restore what it has."
        )
    dumps = {} if without_databases else _dumps(folder, settings)
    create_bucket(settings)
    present = [counted(count, f"row of {table}", f"rows of {table}") for table, count in _data(dumps).items() if count]
    if others := _other_objects(settings, folder / OBJECTS):
        present.append(counted(others, "raw object that the backup has not", "raw objects that the backup has not"))
    if present and not replace:
        raise ConfigurationError(
            f"There are already {', '.join(present)}. To delete them and put the backup in their place, also after an "
            "interrupted restore: --replace. Or restore into new databases and an empty bucket."
        )
    if present and not yes:
        click.confirm(f"Delete {', '.join(present)}, and all raw objects, and restore {folder}?", abort=True)
    for url, (name, file) in dumps.items():
        with console().status(f"Restoring the database {url.database}"):
            restore(url, file, _tables(url, name))
    migrate(settings.database_url)
    create_dagster_storage(settings.dagster_postgres_url)
    with console().status("Copying the raw objects"):
        if replace:
            _delete_objects(settings)
        count = _put_objects(settings, folder / OBJECTS)
    logins, kept = _restore_logins(settings, folder / LOGINS)
    one = " 1 login of the backup is there already and was kept." if kept == 1 else ""
    several = f" {kept} logins of the backup are there already and were kept." if kept > 1 else ""
    click.echo(
        f"{counted(len(dumps), 'database')}, {counted(count, 'object')} and {counted(logins, 'login')} are restored."
        f"{one or several}"
    )


def _dumps(folder: Path, settings: Settings) -> dict[URL, tuple[str, Path]]:
    """The databases that there are now, each with the dump that belongs there. Creates those that are missing."""
    for url in (settings.database_url, settings.dagster_postgres_url):
        create_database(url)
    dumps = {}
    for name, url in different_databases(settings).items():
        # Of one database that was both; and as 0.1.0 called them.
        candidates = [folder / DATABASES / f"{each}.dump" for each in (name, url.database, MIRROR)]
        file = next((each for each in candidates if each.exists()), None)
        if file is None:
            raise ConfigurationError(f"{folder} holds no {candidates[0].relative_to(folder)}. Is it a backup?")
        dumps[url] = name, file
    return dumps


def _data(dumps: dict[URL, tuple[str, Path]]) -> dict[str, int]:
    """How many rows of somebody's data there are, by table."""
    counts = {}
    for url, (name, _) in dumps.items():
        there = set(_existing_tables(url))
        for table in sorted(there.intersection(DATA[name], *[DATA.values()] if len(dumps) == 1 else [])):
            with transaction(engine_for(url)) as connection:
                counts[table] = connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()  # noqa: S608
    return counts


def _tables(url: URL, name: str) -> list[str]:
    """The tables that a dump takes the place of. Raises ConfigurationError where there are others, not made by us."""
    from strava_assets.instance.storage_tables import TABLES  # noqa: PLC0415 - Dagster costs seconds

    ours = {*metadata.tables, migrations.VERSION_TABLE, "alembic_version", *TABLES}
    there = _existing_tables(url)
    if foreign := sorted(set(there) - ours):
        raise ConfigurationError(
            f"The database {url.database!r} of the {name} holds tables of something else ({', '.join(foreign[:3])}). "
            "Restore into one of its own."
        )
    return there


def _existing_tables(url: URL) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    with transaction(engine_for(url)) as connection:
        return list(connection.execute(text(query)).scalars())


def _other_objects(settings: Settings, source: Path) -> int:
    """How many objects of the bucket are not, just so, in the backup: a restore would overwrite or keep them."""
    access = s3_access(settings)
    with clear_errors(access.where, access.bucket):
        there = etags(access.client(), access)
    return sum(
        not (source / key).is_file()
        or hashlib.md5((source / key).read_bytes(), usedforsecurity=False).hexdigest() != etag
        for key, etag in there.items()
    )


def _delete_objects(settings: Settings) -> None:
    deletion = open_deletion(settings)
    for athlete_id in open_store(settings).athletes():
        deletion.delete_athlete(athlete_id)


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


def _restore_logins(settings: Settings, source: Path) -> tuple[int, int]:
    """Put the logins into Redis that it lacks; how many, and how many of them it has.

    What it knows of fetches belongs to other rows: it goes.
    """
    redis = open_redis(settings)
    tokens, evidence, points = TokenStore(redis), EvidenceStore(redis), ResumePoints(redis)
    present = tokens.tokens()
    known = {token.athlete_id for token in present.values()}
    count = kept = 0
    for file in sorted(source.glob("*.json")):
        token = Token.from_json(file.read_text(), file.stem)
        if token.athlete_id in known and (token.athlete_id or file.stem in present):
            kept += 1
            continue
        key = further_key(token.athlete_id) if file.stem in present and token.athlete_id else file.stem
        tokens.save(key, token)
        # It may have been renewed since the backup: that it is refused will be no sign of a withdrawal.
        evidence.begin_renewal(key, token.refresh_token)
        count += 1
    for token in tokens.tokens().values():
        if token.athlete_id is not None:
            points.delete(token.athlete_id)
    delete_pending_imports(redis)
    return count, kept
