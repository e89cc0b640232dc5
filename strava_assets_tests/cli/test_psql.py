"""`strava-assets psql`."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from strava_assets.cli import psql
from strava_assets.cli.main import main
from strava_assets.local.settings_file import FOLDER


def test_a_query_is_answered_by_psql(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    shown = subprocess.run(
        [sys.executable, "-m", "strava_assets", "psql", "-c", "SELECT 6 * 7 AS answer", "--tuples-only"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "42"


def test_without_psql_a_query_is_answered_all_the_same(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(psql, "_psql", lambda: None)
    result = CliRunner().invoke(main, ["psql", "-c", "SELECT 6 * 7 AS answer, '[easy] [/Stage 2]' AS \"[red]text\""])
    assert result.exit_code == 0, result.output
    assert "[easy] [/Stage 2]" in result.stdout
    assert "[red]text" in result.stdout
    assert "answer" in result.stdout
    assert "42" in result.stdout

    result = CliRunner().invoke(main, ["psql"], input="SELECT 'first\n line';\nSELECT nothing;\nSELECT 'last';\n")
    assert result.exit_code == 0
    assert "last" in result.stdout
    assert 'column "nothing" does not exist' in result.stdout


def test_an_embedded_server_that_does_not_run_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(main, ["psql"])
    assert (result.exit_code, result.stderr) == (
        78,
        "error: The embedded Postgres does not run. Start it in another terminal: make up. Or set DATABASE_URL.\n",
    )


def test_a_server_that_does_not_answer_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush@127.0.0.1:1/strava")
    monkeypatch.setattr(psql, "_psql", lambda: None)
    result = CliRunner().invoke(main, ["psql", "-c", "SELECT 1"])
    assert result.exit_code == 75
    assert result.stderr.startswith("error: Postgres at 127.0.0.1: ")
    assert "hush" not in result.stderr
