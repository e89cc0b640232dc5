"""`strava-assets up`: everything on this machine, in the order in which one needs the other."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.instance.missing_hours import missing_hours
from strava_assets.local.dagster_home import require_storage_in_postgres
from strava_assets.local.dagster_processes import Daemon, RangeRun, Webserver
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.free_ports import is_free
from strava_assets.local.interruption import Interruption
from strava_assets.local.postgres import Postgres
from strava_assets.local.redis import Redis
from strava_assets.local.s3 import S3
from strava_assets.local.settings_file import FOLDER, forget_other_servers, try_to_lock, write_settings
from strava_assets.local.simulated_strava import SimulatedStrava
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava.tokens import FIRST_KEY, Token, TokenStore

_POLL_SECONDS = 0.1

_EXAMPLE = "SELECT start_date, type, name, distance FROM strava_activity ORDER BY start_date DESC LIMIT 10"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of Dagster's UI.")
def command(port: int) -> None:
    """Run everything on this machine: servers, Dagster's UI and daemon.

    Starts the servers that no setting names (DATABASE_URL, REDIS_URL, AWS_ENDPOINT_URL_S3), with their data in
    the folder .local, and a simulated Strava if STRAVA_CLIENT_ID is not set. Migrates, creates the bucket,
    fetches the last 30 days, then serves Dagster's UI and runs its schedule and sensors until Ctrl-C.
    """
    project = Path.cwd()
    for name in ("dagster.yaml", "workspace.yaml"):
        if not (project / name).exists():
            raise ConfigurationError(f"{project} has no {name}. Run this in the project's folder.")
    forgotten = forget_other_servers()
    Settings.from_environment()
    require_storage_in_postgres(os.environ.get("DAGSTER_HOME"))
    interruption = Interruption()
    interruption.watch()
    with _use_of_folder(project / FOLDER), ExitStack() as running:
        if not is_free(port):
            raise ConfigurationError(
                f"Port {port} is in use. Stop what uses it, or choose another: make up PORT={port + 1}"
            )
        try:
            _Up(project / FOLDER, port, interruption, running, forgotten).run()
        except KeyboardInterrupt:
            click.echo("\nStopping; a run in progress has 20 s to finish.")
        finally:
            interruption.ignore()
    click.echo("Everything is stopped; the data is kept in .local.")


@contextmanager
def _use_of_folder(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = try_to_lock(folder)
    if lock is None:
        raise ConfigurationError(
            f"`strava-assets up` runs already in {folder.parent}. Stop that one first, with Ctrl-C."
        )
    try:
        yield
    finally:
        os.close(lock)


class _Up:
    """The steps of `up`. Whatever ends them, `running` stops what was started, the last first."""

    def __init__(
        self, folder: Path, port: int, interruption: Interruption, running: ExitStack, forgotten: list[str]
    ) -> None:
        self._folder = folder
        self._is_simulated = not (os.environ.get("STRAVA_CLIENT_ID") or os.environ.get("STRAVA_CLIENT"))
        # Apart, so that a first look at simulated activities leaves nothing among one's own.
        self._data = folder / ("simulated" if self._is_simulated else "real")
        self._interruption = interruption
        self._running = running
        self._watched: list[EmbeddedServer] = []
        self._settings: dict[str, str] = {}
        self._forgotten = forgotten
        self._webserver = Webserver(folder / "webserver", port)

    def run(self) -> None:
        """Bring everything up, then watch it until Ctrl-C. Raises ServiceUnavailable if a part of it ends by itself."""
        began = time.monotonic()
        self._start_servers()
        simulated = self._start_strava()
        settings = Settings.from_environment()
        self._give_settings(settings)
        for line in initialise(settings):
            click.echo(f"  {line}")
            self._interruption.check()
        tokens = TokenStore(connect(settings.redis_url))
        if simulated and not tokens.keys():
            tokens.save(FIRST_KEY, Token(simulated.granted_token()))
        self._start(self._webserver)
        if tokens.keys():
            self._fetch_last_days(settings)
        else:
            click.echo("  Nobody is logged in. In another terminal: .venv/bin/strava-assets login")
        # The daemon after the UI, not with it: both load all code, and the UI is what is waited for.
        self._wait_for(self._webserver)
        self._start(Daemon(self._folder / "daemon"))
        self._say_where_to_look(time.monotonic() - began)
        while True:
            self._sleep()

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
        self._interruption.check()
        began = time.monotonic()
        server.start()
        self._running.callback(self._stop, server)
        self._watched.append(server)
        self._settings |= server.settings
        os.environ.update(server.settings)
        click.echo(f"  {server.process.name} is started ({time.monotonic() - began:.1f} s)")

    def _stop(self, server: EmbeddedServer) -> None:
        began = time.monotonic()
        if isinstance(server, Daemon):
            self._webserver.process.begin_to_stop()
        server.stop()
        click.echo(f"  {server.process.name} is stopped ({time.monotonic() - began:.1f} s)")

    def _give_settings(self, settings: Settings) -> None:
        """Give the settings to Dagster's processes, and by the file .local/env to whoever wants them."""
        self._settings["DAGSTER_HOME"] = os.environ.get("DAGSTER_HOME") or str(self._folder.parent)
        # dagster.yaml turns telemetry off; the webserver makes two empty folders for it unless this is set as well.
        self._settings["DAGSTER_DISABLE_TELEMETRY"] = "1"
        self._settings["DAGSTER_POSTGRES_URL"] = settings.dagster_postgres_url.render_as_string(hide_password=False)
        os.environ.update(self._settings)
        write_settings(self._folder, self._settings, self._forgotten)

    def _fetch_last_days(self, settings: Settings) -> None:
        if (hours := missing_hours(settings)) is None:
            return
        click.echo(f"  Fetching {hours} in one run")
        began = time.monotonic()
        run = RangeRun(self._folder / "first_run", hours)
        run.start()
        try:
            while (code := run.process.has_ended()) is None:
                self._sleep()
        finally:
            run.stop()
        if code:
            click.echo(f"  That run failed: see {run.process.log} or the UI. The schedule will try again.", err=True)
        else:
            click.echo(f"  Fetched ({time.monotonic() - began:.1f} s)")

    def _wait_for(self, webserver: Webserver) -> None:
        while not webserver.answers():
            self._sleep()

    def _sleep(self) -> None:
        """A moment's pause. Raises KeyboardInterrupt on Ctrl-C, ServiceUnavailable if something ended by itself."""
        self._interruption.check()
        for server in self._watched:
            if (code := server.process.has_ended()) is not None:
                raise ServiceUnavailable(
                    f"{server.process.name} ended by itself with code {code}, so everything is stopped. "
                    f"See {server.process.log}"
                )
        time.sleep(_POLL_SECONDS)

    def _say_where_to_look(self, seconds: float) -> None:
        click.echo(
            f"\nUp after {seconds:.0f} s. Ctrl-C stops everything; the data stays.\n\n"
            f"  Dagster      {self._webserver.url}\n"
            f'  A query      .venv/bin/strava-assets psql -c "{_EXAMPLE}"\n'
            f"  Settings     set -a; . {FOLDER}/env; set +a   (for stock dagster commands in another terminal)\n"
            f"  Logs         {FOLDER}/*/log\n"
        )
