"""`strava-assets doctor`: check every service, token and setting, and say how to repair what is wrong."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
from redis.exceptions import NoPermissionError
from sqlalchemy import URL

from strava_assets.cli.console import counted, printable
from strava_assets.errors import ConfigurationError, RateLimitExceeded, StravaAssetsError
from strava_assets.local.own_command import is_checkout, up_command
from strava_assets.local.settings_file import FOLDER, is_simulated_without_application, nothing_runs
from strava_assets.mirror import migrations
from strava_assets.mirror.archive import archives
from strava_assets.mirror.database import engine_for, require_utf8, transaction
from strava_assets.postgres.errors import place
from strava_assets.services import open_client, open_deletion, open_engine, open_redis, open_store
from strava_assets.settings import Settings, misspelt_names
from strava_assets.state.connection import address, answering
from strava_assets.strava.api_errors import NEEDED_SCOPE
from strava_assets.strava.tokens import TokenStore
from strava_assets.strava.withdrawal import doubts
from strava_assets.sync.before_start_date import all_before_start_date

_MARKS = {"ok": ("ok  ", "green"), "FAIL": ("FAIL", "red"), "note": ("note", "yellow")}

_NOBODY = "not checked, since nobody is logged in"


class _Note(Exception):
    """Something that works, but not as one would expect."""


@click.command(name="doctor")
@click.option("--offline", is_flag=True, help="Do not contact Strava: no API requests.")
def command(*, offline: bool) -> None:
    """Check every service, token and setting, and say how to repair what is wrong.

    One line per check; exit code 1 if any check fails. Uses two API requests per athlete.
    """
    settings = Settings.from_environment()
    archives_alone = _archives_without_application(settings)
    reason = nothing_runs(Path.cwd())
    is_meant_here = (Path.cwd() / FOLDER).exists() or is_checkout()
    checks: list[tuple[str, Callable[[Settings], str]]] = [("settings", partial(_settings, archives_alone))]
    if reason and is_meant_here and not settings.client_id:
        checks = [("settings", _without_application)]
    if misspelt := misspelt_names(os.environ):
        checks.append(("names", partial(_names, misspelt)))
    if reason and is_meant_here:
        checks.append(("servers", partial(_nothing_runs, ConfigurationError(reason.strip()))))
    else:
        checks += [
            ("Redis", _redis),
            *([] if archives_alone else [("tokens", _tokens)]),
            ("S3", _bucket),
            ("Postgres", _mirror),
            ("Dagster's storage", _dagster_storage),
        ]
        if not offline and not archives_alone:
            checks += [("Strava", _strava), ("history", _history)]
    results = [_checked(name, check, settings) for name, check in checks]
    if not all(results):
        if reason and not is_meant_here:  # the machine's own servers were asked; maybe none is there
            _checked("servers", partial(_nothing_runs, _Note(reason.strip())), settings)
        raise click.exceptions.Exit(1)


def _checked(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        result, sentence = "ok", check(settings)
    except _Note as note:
        result, sentence = "note", str(note)
    except StravaAssetsError as error:
        result, sentence = "FAIL", str(error)
    mark, colour = _MARKS[result]
    click.echo(f"{click.style(mark, fg=colour)} {name}: {printable(sentence)}")
    return result != "FAIL"


def _nothing_runs(reason: Exception, _settings: Settings) -> str:
    raise reason


def _archives_without_application(settings: Settings) -> int:
    """How many bulk exports are imported, where no API application is set up; else none counts."""
    if settings.client_id:
        return 0
    try:
        with transaction(open_engine(settings)) as connection:
            return len(archives(connection))
    except StravaAssetsError:
        return 0  # another line says what is wrong with the database


def _settings(archives_alone: int, settings: Settings) -> str:
    if archives_alone:
        return (
            f"no API application, which is fine: bulk exports are imported ({archives_alone}), and Strava is not asked"
        )
    try:
        settings.require_application()
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} Or go without: strava-assets archive import export_1234.zip") from None
    return (
        f"application {settings.client_id}{' of the simulated Strava' if settings.is_simulated else ''}, "
        f"API at {settings.api_url}, history from {settings.start_date:%Y-%m-%d}"
    )


def _without_application(_settings: Settings) -> str:
    if is_simulated_without_application(Path.cwd() / FOLDER):
        raise _Note(f"STRAVA_CLIENT_ID is not set: `{up_command()}` runs a simulated Strava")
    raise _Note("STRAVA_CLIENT_ID is not set: nothing is fetched from Strava, bulk exports can be imported")


def _names(misspelt: dict[str, str], _settings: Settings) -> str:
    raise _Note("; ".join(f"{name} is not a setting; {near} is" for name, near in misspelt.items()))


def _redis(settings: Settings) -> str:
    redis = open_redis(settings)
    with answering(redis):
        redis.ping()
        try:
            persistence = redis.info("persistence")
        except NoPermissionError:  # a user without administrators' rights, as it should be
            return f"{address(redis)} answers; its user may not check whether data is kept on disk"
    if persistence.get("aof_enabled"):
        return f"{address(redis)} answers"
    raise _Note(f"{address(redis)} answers; without `appendonly yes` a crash may lose the newest token")


def _tokens(settings: Settings) -> str:
    store = TokenStore(open_redis(settings))
    tokens = store.tokens()
    if not tokens:
        raise ConfigurationError("nobody is logged in. Run: strava-assets login")
    now = datetime.now(UTC)
    for error in doubts(store, now).values():
        raise error
    lines = []
    for key, token in tokens.items():
        if token.scopes is not None and NEEDED_SCOPE not in token.scopes:
            raise ConfigurationError(
                f"{key} lacks {NEEDED_SCOPE}, so private activities are missing. Run: strava-assets login"
            )
        until = token.expires_at
        when = (
            "of unknown age" if until is None else f"{'until' if until > now else 'expired'} {until:%Y-%m-%d %H:%M} UTC"
        )
        lines.append(f"{key} {when}")
    return ", ".join(lines) + " (renewed automatically)"


def _bucket(settings: Settings) -> str:
    athletes = open_store(settings).athletes()
    versions = open_deletion(settings).knows_versions()
    answers = f"bucket {settings.s3_bucket} answers, raw objects of {counted(len(athletes), 'athlete')}"
    return answers if versions else f"{answers}; the server knows no versions, so a deletion deletes what it lists"


def _mirror(settings: Settings) -> str:
    with transaction(open_engine(settings)) as connection:
        require_utf8(connection, settings.database_url)
        present, needed = migrations.current_revision(connection), migrations.newest_revision()
    if present != needed:
        raise ConfigurationError(
            f"the tables are at revision {present or 'none'}, not {needed}. Run: strava-assets init"
        )
    return f"{_named(settings.database_url)}, revision {present}"


def _dagster_storage(settings: Settings) -> str:
    url = settings.dagster_postgres_url
    with transaction(engine_for(url)) as connection:
        require_utf8(connection, url)
    if os.environ.get("DAGSTER_HOME"):
        return _named(url)
    raise _Note(f"{_named(url)}; DAGSTER_HOME is not set, which the daemon needs")


def _named(url: URL) -> str:
    return f"{url.database} at {place(url)}"


def _strava(settings: Settings) -> str:
    with open_client(settings, max_wait=timedelta(0)) as client:
        athletes = client.athletes()
        if not athletes:
            raise _Note(_NOBODY)
        try:
            for athlete in athletes:
                client.profile(athlete)
        except RateLimitExceeded as error:  # everybody's work waits for it, which is no fault
            raise _Note(str(error)) from None
        return f"answers for {counted(len(athletes), 'athlete')}; {client.quota()}"


def _history(settings: Settings) -> str:
    with open_client(settings, max_wait=timedelta(0)) as client:
        if not client.athletes():
            raise _Note(_NOBODY)
        lines = all_before_start_date(client, settings.start_date, settings.oldest_kept(datetime.now(UTC)))
    if lines:
        raise _Note(" ".join(lines))
    return f"nothing lies before STRAVA_START_DATE={settings.start_date:%Y-%m-%d}"
