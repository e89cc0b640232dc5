"""`strava-assets up`: everything on this machine, in the order in which one needs the other."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from strava_assets.archive.export import open_export
from strava_assets.archive.importing import identify
from strava_assets.cli.archive import import_export
from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.instance.missing_hours import missing_hours
from strava_assets.local import supervisor
from strava_assets.local.dagster_home import home_folder, require_storage_in_postgres
from strava_assets.local.dagster_processes import DagsterServer, RangeRun
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.free_ports import is_free
from strava_assets.local.own_command import own_command, up_command
from strava_assets.local.postgres import Postgres
from strava_assets.local.redis import Redis
from strava_assets.local.s3 import S3
from strava_assets.local.settings_file import (
    FOLDER,
    is_simulated_without_application,
    try_to_lock,
    unset_other_servers,
    write_settings,
)
from strava_assets.local.simulated_strava import SimulatedStrava
from strava_assets.local.stop_request import StopRequest
from strava_assets.loopback import never_proxy_loopback
from strava_assets.provisioning import initialise
from strava_assets.services import open_redis
from strava_assets.settings import Settings
from strava_assets.strava.tokens import FIRST_KEY, Token, TokenStore

_POLL_SECONDS = 0.1

_EXAMPLE = "SELECT start_date, sport_type, name, distance FROM strava_activity ORDER BY start_date DESC LIMIT 10"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of Dagster's UI.")
@click.option(
    "--archive", type=click.Path(path_type=Path), help="A bulk export of Strava's to import: no application needed."
)
def command(port: int, archive: Path | None) -> None:
    """Run everything on this machine: servers, Dagster's UI and daemon.

    Starts the servers that no setting names (DATABASE_URL, REDIS_URL, AWS_ENDPOINT_URL_S3), with their data in
    the folder .local, and a simulated Strava if STRAVA_CLIENT_ID is not set and there is no export to import.
    Migrates, creates the bucket, fetches what is missing of the last STRAVA_LOOKBACK_DAYS, then serves Dagster's UI
    and runs its schedules and sensors until Ctrl-C.
    """
    unset = unset_other_servers()
    never_proxy_loopback(os.environ)
    settings = Settings.from_environment()
    if settings.client_id:  # its secret may be missing
        settings.require_application()
    if archive:
        with open_export(archive) as export:
            identify(export)  # what is wrong with it is reported before anything is started
    require_storage_in_postgres(os.environ.get("DAGSTER_HOME"))
    stop = StopRequest()
    stop.watch()
    if "MAKELEVEL" in os.environ:
        supervisor.die_with_parent()
    folder = Path.cwd() / FOLDER
    lock = _use(folder)
    _end_what_was_left_behind(folder)
    if not is_free(port):
        raise ConfigurationError(f"Port {port} is in use. Stop what uses it, or choose another: {up_command(port + 1)}")
    up = _Up(folder, port, stop, unset, archive=archive, has_application=bool(settings.client_id))
    try:
        up.run()
        os.set_inheritable(lock, True)  # noqa: FBT003
        up.become_supervisor()
    except BaseException as error:
        stop.ignore()
        if isinstance(error, KeyboardInterrupt):
            supervisor.say("\nStopping.")
        supervisor.stop_all(up.children(), supervisor.say)
        if not isinstance(error, KeyboardInterrupt):
            raise
        supervisor.say("Everything is stopped; the data is kept in .local.")


def _use(folder: Path) -> int:
    """Make the folder ours until the returned descriptor is closed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = try_to_lock(folder)
    if lock is None:
        owner = (folder / "lock").read_text()
        raise ConfigurationError(
            f"`strava-assets up` runs already in {folder.parent}. Stop that one first, with Ctrl-C or: kill {owner}"
        )
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _end_what_was_left_behind(folder: Path) -> None:
    for lock in sorted([*folder.glob("*/server.lock"), *folder.glob("*/*/server.lock")]):
        if pid := supervisor.stop_left_behind(lock.parent):
            click.echo(f"  {lock.parent.name} of a killed `strava-assets up` still ran (process {pid}): it is stopped")


class _Up:
    """The steps of `up`."""

    def __init__(
        self,
        folder: Path,
        port: int,
        stop: StopRequest,
        unset: list[str],
        *,
        archive: Path | None,
        has_application: bool,
    ) -> None:
        self._folder = folder
        self._archive = archive
        # Apart, so that trying it with simulated activities leaves nothing among one's own.
        self._is_simulated = not (has_application or archive) and is_simulated_without_application(folder)
        self._data = folder / ("simulated" if self._is_simulated else "real")
        self._stop = stop
        self._started: list[EmbeddedServer] = []
        self._settings: dict[str, str] = {}
        self._unset = unset
        self._dagster = DagsterServer(folder / "dagster_server", port)

    def children(self) -> list[supervisor.Child]:
        """What runs, in the order in which it was started."""
        return [server.process.child for server in self._started if server.process.child]

    def run(self) -> None:
        """Bring everything up. Raises ServiceUnavailable if a part of it ends, KeyboardInterrupt on Ctrl-C."""
        began = time.monotonic()
        self._start_servers()
        simulated = self._start_strava()
        settings = Settings.from_environment()
        self._give_settings(settings)
        for line in initialise(settings):
            click.echo(f"  {line}")
            self._stop.check()
        tokens = TokenStore(open_redis(settings))
        if simulated and not tokens.keys():
            tokens.save(FIRST_KEY, Token(simulated.granted_token()))
        if self._archive:
            import_export(settings, self._archive)
        self._begin(self._dagster)
        if tokens.keys():
            self._fetch_last_days(settings)
        elif settings.client_id:
            click.echo(f"  Nobody is logged in. In another terminal: {own_command()} login")
        else:
            click.echo("  STRAVA_CLIENT_ID is not set: nothing is fetched from Strava, bulk exports can be imported")
        self._wait("Dagster is loading", self._dagster.answers)
        self._say_where_to_look(time.monotonic() - began)

    def become_supervisor(self) -> NoReturn:
        """Watch everything until Ctrl-C, in this process, but without what it took to start it."""
        for server in self._started:
            server.process.keep_folder_over_exec()
        supervisor.become(self.children(), self._folder / "children.json", self._stop.check)

    def _start_servers(self) -> None:
        servers: dict[str, type[Postgres | Redis | S3]] = {
            "DATABASE_URL": Postgres,
            "REDIS_URL": Redis,
            "AWS_ENDPOINT_URL_S3": S3,
        }
        for name, server in servers.items():
            if os.environ.get(name):
                click.echo(f"  {name} is set: {server.__name__} is not started")
            else:
                self._start(server(self._data / server.__name__.lower()))

    def _start_strava(self) -> SimulatedStrava | None:
        if not self._is_simulated:
            return None
        simulated = SimulatedStrava(self._data / "strava")
        self._start(simulated)
        click.echo(f"  STRAVA_CLIENT_ID is not set: a simulated Strava answers at {simulated.url}")
        return simulated

    def _start(self, server: EmbeddedServer) -> None:
        began = time.monotonic()
        self._begin(server)
        click.echo(f"  {server.process.name} is started ({time.monotonic() - began:.1f} s)")

    def _begin(self, server: EmbeddedServer) -> None:
        """Start one, without a word: Dagster is still loading when this returns."""
        self._stop.check()
        self._started.append(server)
        server.process.while_waiting = self._stop.check
        server.start()
        self._settings |= server.settings
        os.environ.update(server.settings)

    def _give_settings(self, settings: Settings) -> None:
        """Give the settings to Dagster's processes, and by the file .local/env to whoever wants them."""
        self._settings["DAGSTER_HOME"] = os.environ.get("DAGSTER_HOME") or str(home_folder(self._folder.parent))
        # dagster.yaml turns telemetry off; the webserver makes two empty folders for it unless this is set as well.
        self._settings["DAGSTER_DISABLE_TELEMETRY"] = "1"
        dagster_url = settings.dagster_postgres_url
        if "DATABASE_URL" in self._settings:
            # A power cut may take the last seconds of Dagster's bookkeeping, which the next comparison makes up for;
            # the table's rows wait for the disk as ever. An idle daemon writes some hundred thousand times a day.
            dagster_url = dagster_url.update_query_dict({"options": "-c synchronous_commit=off"})
        self._settings["DAGSTER_POSTGRES_URL"] = dagster_url.render_as_string(hide_password=False)
        os.environ.update(self._settings)
        write_settings(self._folder, self._settings, self._unset)

    def _fetch_last_days(self, settings: Settings) -> None:
        if (hours := missing_hours(settings, datetime.now(UTC))) is None:
            return
        began = time.monotonic()
        run = RangeRun(self._folder / "first_run", hours)
        run.start()
        self._started.append(run)
        self._wait(f"Fetching {hours} in one run", lambda: run.process.has_ended() is not None, except_for=run)
        code = run.process.has_ended()
        run.stop()
        self._started.remove(run)
        if code:
            click.echo(f"  That run failed: see {run.process.log} or the UI. The schedule will try again.", err=True)
        else:
            click.echo(f"  Fetched ({time.monotonic() - began:.1f} s)")

    def _wait(self, what: str, is_done: Callable[[], bool], except_for: EmbeddedServer | None = None) -> None:
        """Wait, with a second hand on a terminal. Raises KeyboardInterrupt, or ServiceUnavailable if one ends."""
        began, shown = time.monotonic(), ""
        shows_seconds = sys.stdout.isatty()
        click.echo(f"  {what}", nl=not shows_seconds)
        try:
            while not is_done():
                self._stop.check()
                for part in self._started:
                    if part is not except_for and part.process.has_ended() is not None:
                        self._restart(part)
                line = f"\r  {what} ({time.monotonic() - began:.0f} s)"
                if shows_seconds and line != shown:
                    click.echo(line, nl=False)
                    shown = line
                time.sleep(_POLL_SECONDS)
        finally:
            if shows_seconds:
                click.echo()

    def _restart(self, ended: EmbeddedServer) -> None:
        """Start again what ended unexpectedly, if it may be. Raises ServiceUnavailable if not."""
        code, child = ended.process.has_ended(), ended.process.child
        if child is None or child.restart_command is None:
            raise ServiceUnavailable(
                f"{ended.process.name} ended unexpectedly with code {code}, so everything is stopped. "
                f"See {ended.process.log}"
            )
        if reason := supervisor.restart(child):
            raise ServiceUnavailable(reason)

    def _say_where_to_look(self, seconds: float) -> None:
        click.echo(
            f"\nUp after {seconds:.0f} s. Ctrl-C stops everything; the data stays.\n\n"
            f"  Dagster      {self._dagster.url}\n"
            f"  Reports      {self._dagster.url}/reports/\n"
            f'  A query      {own_command()} psql -c "{_EXAMPLE}"\n'
            f"  Settings     set -a; . {FOLDER}/env; set +a   (for stock dagster commands in another terminal)\n"
            f"  Logs         {FOLDER}/*/log, {self._data}/*/log\n"
        )
