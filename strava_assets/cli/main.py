"""The command `strava-assets`: a group that loads a command's module only when that command is run.

Importing everything would cost a second before the first word of `--help`.
"""

import importlib
import importlib.util
import signal
from pathlib import Path
from typing import Any, NoReturn

import click

from strava_assets.cli.console import printable
from strava_assets.cli.env_file import read
from strava_assets.errors import (
    ConfigurationError,
    ServiceUnavailable,
    SettingMissing,
    StravaAssetsError,
    TransientError,
)
from strava_assets.local.settings_file import load_settings_of_running_servers, nothing_runs

_COMMANDS = {
    "up": ("up", "Run everything on this machine: servers, Dagster's UI and daemon."),
    "init": ("init", "Migrate both databases and create the bucket; safe to repeat."),
    "login": ("login", "Log an athlete in with Strava."),
    "logout": ("logout", "Withdraw an athlete's access on Strava and delete the token."),
    "athletes": ("athletes", "Show who is logged in, and until when."),
    "doctor": ("doctor", "Check every service, token and setting, and say how to repair what is wrong."),
    "import": ("import_history", "Fetch the whole history, or a part of it, in one run."),
    "reconcile": ("reconcile", "Compare the mirror with Strava and refresh the hours that differ."),
    "archive": ("archive", "Import Strava's bulk export: years of history without the API."),
    "report": ("report", "Write an athlete's training report: one HTML file."),
    "athlete": ("athlete", "Set and show heart rates, FTP, threshold speeds and units."),
    "purge": ("purge", "Delete everything that is kept of an athlete."),
    "webhook": ("webhook", "Subscribe to Strava's webhooks, and receive them."),
    "backup": ("backup", "Save databases, raw objects and logins into a folder."),
    "restore": ("restore", "Restore a backup into new databases, or replace what they hold."),
    "prune-events": ("prune_events", "Delete the step-by-step events of old runs from Dagster's event log."),
    "compact": ("compact", "Free the space of deleted objects in the embedded S3; a purge does so automatically."),
    "psql": ("psql", "Open the mirror's database, or run a query on it."),
}
"""Each command's module in this package, where it is the click command named `command`, and its line in `--help`."""

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigurationError, 78),  # EX_CONFIG of sysexits.h
    (TransientError, 75),  # EX_TEMPFAIL
    (StravaAssetsError, 1),
    (OSError, 75),  # a full disk, too many open files
    (Exception, 70),  # EX_SOFTWARE
)
"""The exit code of each kind of error; the first that fits counts."""


class _CommandsByModule(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in _COMMANDS.items() if importlib.util.find_spec(_full_name(module))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        try:
            command: click.Command = importlib.import_module(_full_name(_COMMANDS[name][0])).command
        except ModuleNotFoundError as error:
            if error.name != "psutil":
                raise
            raise ConfigurationError(
                f"`strava-assets {name}` starts servers, and what it needs is not installed. "
                "Run: pip install 'strava-assets[embedded]'."
            ) from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, ServiceUnavailable | SettingMissing) and ctx.invoked_subcommand != "up":
                fail(error, nothing_runs(Path.cwd()) or "")
            fail(error)


def fail(error: Exception, remedy: str = "") -> NoReturn:
    """End the command with one line on stderr and the exit code of its kind."""
    click.echo(f"error: {printable(_in_a_line(error))}{remedy}", err=True)
    raise click.exceptions.Exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))


def _in_a_line(error: Exception) -> str:
    if isinstance(error, StravaAssetsError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}."
    first_line = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first_line[:300]}. Where it happened: strava-assets --debug COMMAND"


@click.group(
    cls=_CommandsByModule,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings are environment variables, also read from .env; .env.example lists them. "
    "Exit codes: 1 somebody has to repair something, 2 wrong options, 70 an error of this program, "
    "75 try again later, 78 a setting is wrong or something is not set up, 130 it was interrupted.",
)
@click.version_option(package_name="strava_assets", message="%(version)s")
@click.option("--debug", is_flag=True, help="Show where an unexpected error happened.")
def main(*, debug: bool) -> None:
    """Keep an athlete's Strava history as Dagster assets: raw JSON in S3, an exact mirror in Postgres."""
    del debug  # read where errors end
    read(Path.cwd() / ".env")
    load_settings_of_running_servers(Path.cwd())


def _full_name(module: str) -> str:
    return f"strava_assets.cli.{module}"
