"""`strava-assets doctor`: check every service, token and setting, and say how to repair what is wrong."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

import click
from sqlalchemy.exc import DBAPIError

from strava_assets.errors import ConfigurationError, StravaAssetsError
from strava_assets.mirror import migrations
from strava_assets.mirror.archive import archives
from strava_assets.mirror.database import clear_error, engine_for, place, transaction
from strava_assets.services import open_client, open_redis, open_store
from strava_assets.settings import Settings
from strava_assets.state.connection import address, answering
from strava_assets.strava.tokens import TokenStore


@click.command(name="doctor", help=__doc__)
@click.option("--offline", is_flag=True, help="Ask Strava nothing: costs no API request.")
def command(*, offline: bool) -> None:
    """One line a check; exit code 1 if any of them failed. Costs one API request an athlete."""
    settings = Settings.from_environment()
    is_archive_only = bool(_archives_without_application(settings))
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("settings", _settings),
        ("Redis", _redis),
        ("tokens", _tokens),
        ("S3", _bucket),
        ("Postgres", _mirror),
        ("Dagster's storage", _dagster_storage),
    ]
    if is_archive_only:
        checks.remove(("tokens", _tokens))
    elif not offline:
        checks.append(("Strava", _strava))
    results = [_checked(name, check, settings) for name, check in checks]
    if not all(results):
        raise click.exceptions.Exit(1)


def _checked(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        click.echo(f"{click.style('ok  ', fg='green')} {name}: {check(settings)}")
    except StravaAssetsError as error:
        click.echo(f"{click.style('FAIL', fg='red')} {name}: {error}")
        return False
    return True


def _archives_without_application(settings: Settings) -> int:
    """How many bulk exports are imported, where no API application is set up; else none counts."""
    if settings.client_id:
        return 0
    try:
        with transaction(engine_for(settings.database_url)) as connection:
            return len(archives(connection))
    except StravaAssetsError:
        return 0  # another line says what is wrong with the database


def _settings(settings: Settings) -> str:
    if count := _archives_without_application(settings):
        return f"no API application, which is fine: bulk exports are imported ({count}), and Strava is not asked"
    try:
        settings.require_application()
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} Or go without: strava-assets archive import export_1234.zip") from None
    return f"application {settings.client_id}, API at {settings.api_url}, history from {settings.start_date:%Y-%m-%d}"


def _redis(settings: Settings) -> str:
    redis = open_redis(settings)
    with answering(redis):
        redis.ping()
        persistence = redis.info("persistence")
    if persistence.get("aof_enabled"):
        return f"{address(redis)} answers"
    return f"{address(redis)} answers; without `appendonly yes` a crash may lose the newest token"


def _tokens(settings: Settings) -> str:
    store = TokenStore(open_redis(settings))
    tokens = store.tokens()
    if not tokens:
        raise ConfigurationError("nobody is logged in. Run: strava-assets login")
    now = datetime.now(UTC)
    lines = []
    for key, token in tokens.items():
        if token.scopes is not None and "activity:read_all" not in token.scopes:
            raise ConfigurationError(
                f"{key} lacks activity:read_all, so private activities are missing. Run: strava-assets login"
            )
        until = token.expires_at
        when = (
            "of unknown age" if until is None else f"{'until' if until > now else 'expired'} {until:%Y-%m-%d %H:%M} UTC"
        )
        lines.append(f"{key} {when}")
    return ", ".join(lines) + " (renewed by itself)"


def _bucket(settings: Settings) -> str:
    store = open_store(settings)
    return f"bucket {settings.s3_bucket} answers, raw objects of {len(store.athletes())} athletes"


def _mirror(settings: Settings) -> str:
    engine = engine_for(settings.database_url)
    with transaction(engine) as connection:
        present, needed = migrations.current_revision(connection), migrations.newest_revision()
    if present != needed:
        raise ConfigurationError(
            f"the tables are at revision {present or 'none'}, not {needed}. Run: strava-assets init"
        )
    return f"{settings.database_url.database} at {place(settings.database_url)}, revision {present}"


def _dagster_storage(settings: Settings) -> str:
    url = settings.dagster_postgres_url
    try:
        with engine_for(url).connect():
            pass
    except DBAPIError as error:
        raise clear_error(error, url) from None
    home = os.environ.get("DAGSTER_HOME")
    return f"{url.database} at {place(url)}" + ("" if home else "; DAGSTER_HOME is not set, which the daemon needs")


def _strava(settings: Settings) -> str:
    with open_client(settings) as client:
        for athlete in client.athletes():
            client.profile(athlete)
        return f"answers for every athlete; {client.quota()}"
