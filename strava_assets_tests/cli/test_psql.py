"""`strava-assets psql`."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from strava_assets.cli import psql
from strava_assets.cli.main import main
from strava_assets.cli.postgres_tools import libpq_target
from strava_assets.local.settings_file import FOLDER
from strava_assets.settings import Settings


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
    assert 'column "nothing" does not exist' in result.stderr

    result = CliRunner().invoke(main, ["psql", "-c", "SELECT nothing"])
    assert result.exit_code == 1, "as psql's own"
    assert 'column "nothing" does not exist' in result.stderr


def test_an_embedded_server_that_does_not_run_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(main, ["psql"])
    assert (result.exit_code, result.stderr) == (
        78,
        (
            "error: The embedded Postgres does not run. "
            "Start it in another terminal: strava-assets up. Or set DATABASE_URL.\n"
        ),
    )


def test_a_server_that_does_not_answer_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush@127.0.0.1:1/strava")
    monkeypatch.setattr(psql, "_psql", lambda: None)
    result = CliRunner().invoke(main, ["psql", "-c", "SELECT 1"])
    assert result.exit_code == 75
    assert result.stderr.startswith("error: Postgres at 127.0.0.1:1 does not answer ")
    assert "hush" not in result.stderr


@pytest.mark.parametrize(
    ("url", "target", "password"),
    [
        ("postgresql://me:hush@host:5433/strava", "user=me dbname=strava host=host port=5433", "hush"),
        ("postgresql+psycopg2://me@host/strava?password=hush", "user=me dbname=strava host=host", "hush"),
        ("postgres://me:h%40%20sh@/strava?host=/my%20run", "user=me dbname=strava host='/my run'", "h@ sh"),
        (
            "postgresql://me@/strava?host=h1:1&host=h2:2&options=-c%20search_path%3Dsport&sslmode=require",
            "user=me dbname=strava host=h1,h2 port=1,2 sslmode=require options='-c search_path=sport'",
            None,
        ),
    ],
)
def test_psql_is_given_what_sqlalchemy_is_given_and_the_password_by_its_environment(
    url: str, target: str, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    given, environment = libpq_target(Settings.from_environment({"DATABASE_URL": url}).database_url)
    assert sorted(given.split()) == sorted(target.split())
    assert environment.get("PGPASSWORD") == password


def test_what_a_row_holds_reaches_the_terminal_without_escape_sequences(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(psql, "_psql", lambda: None)
    result = CliRunner().invoke(main, ["psql", "-c", "SELECT E'red\\x1b[31m \\u202E 👩\u200d🚀' AS \"\x1b[2J\""])
    assert "\x1b" not in result.stdout
    assert "red\\x1b[31m \\u202e 👩\u200d🚀" in result.stdout
