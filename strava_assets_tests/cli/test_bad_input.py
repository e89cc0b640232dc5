"""Bad options and settings, some hundred, against every command: one line, the right exit code, no secret."""

import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from strava_assets.cli.main import main
from strava_assets.settings import VARIABLES

SECRET = "hush-hush"
AWAY = {
    "STRAVA_CLIENT_ID": "1",
    "STRAVA_CLIENT_SECRET": SECRET,
    "STRAVA_BASE_URL": "http://127.0.0.1:1",
    "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0",
    "DATABASE_URL": f"postgresql://me:{SECRET}@127.0.0.1:1/strava?connect_timeout=10",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": SECRET,
}
"""Settings in order, of servers that are away."""

COMMANDS = {
    "init": ["init"],
    "login": ["login", "--no-browser"],
    "logout": ["logout", "--yes"],
    "athletes": ["athletes"],
    "doctor": ["doctor"],
    "import": ["import"],
    "reconcile": ["reconcile"],
    "purge": ["purge", "--athlete", "42", "--yes"],
    "webhook path": ["webhook", "path"],
    "webhook serve": ["webhook", "serve"],
    "webhook subscribe": ["webhook", "subscribe", "--callback-url", "https://example.org"],
    "webhook list": ["webhook", "list"],
    "webhook delete": ["webhook", "delete"],
    "backup": ["backup", "backup"],
    "restore": ["restore", "restored"],
    "prune-events": ["prune-events"],
}

BAD_SETTINGS = {
    "STRAVA_BASE_URL": f"https://me:{SECRET}@strava.example",
    "STRAVA_API_URL": "strava.example",
    "STRAVA_START_DATE": "9999-12-31",
    "STRAVA_LOOKBACK_DAYS": "ages",
    "STRAVA_CHANGES_INTERVAL": "0",
    "STRAVA_BUDGET_RESERVE": "all",
    "STRAVA_MAX_DELETE_SHARE": "-1",
    "STRAVA_RETENTION_DAYS": "1e400",
    "STRAVA_PURGE_ON_REVOKE": "perhaps",
    "REDIS_URL": f"http://:{SECRET}@localhost",
    "S3_BUCKET": "no bucket",
    "S3_PREFIX": "../up",
    "AWS_ENDPOINT_URL_S3": "minio:9000",
    "AWS_DEFAULT_REGION": "here and there",
    "DATABASE_URL": f"postgresql://me:{SECRET}@host/db?no_such=1",
    "DAGSTER_POSTGRES_URL": f"mysql://me:{SECRET}@host/db",
    "STRAVA_WEB_HOSTS": "http://host",
}

LONG_URL = "https://" + "x" * 300

BAD_OPTIONS = [
    *(["import", "--from", day] for day in ("yesterday", "2024-02-30", "9999-12-31", "0001-01-01", "-1", "2024-1")),
    *(["import", "--to", day] for day in ("0001-01-01", "1969-12-31", "99999-01-01", "")),
    ["import", "--from", "2025-02-01", "--to", "2025-01-01"],
    *(["reconcile", "--from", day] for day in ("9999-12-31", "0001-01-01", "never")),
    *(["reconcile", "--athlete", whom] for whom in ("me", "1e5", "")),
    ["reconcile", "--confirm-deletions"],
    *(["purge", "--athlete", whom, "--yes"] for whom in ("me", "0", "-1", "")),
    ["purge"],
    *(["prune-events", "--older-than", days] for days in ("0", "-1", "many", "99999999999999999999", "1000000000")),
    *(["webhook", "serve", "--port", port] for port in ("-1", "65536", "http", "99999999999")),
    *(["webhook", "serve", "--port", "0", "--host", host] for host in ("no.such.invalid", "300.1.1.1", "::zz", "")),
    *(["webhook", "subscribe", "--callback-url", url] for url in ("example.org", "ftp://x", "", LONG_URL)),
    *(["webhook", "delete", which] for which in ("all", "1.5", "9" * 40)),
    ["webhook", "no-such"],
    ["backup"],
    ["backup", "file"],
    ["backup", "file/below"],
    ["backup", "/proc/no-such"],
    ["restore"],
    ["restore", "nowhere"],
    ["restore", "file"],
    ["logout", "--athlete", "me"],
    ["up", "--port", "0"],
    ["up", "--port", "65536"],
    ["no-such-command"],
    ["--no-such-option"],
    *([name, "--no-such-option"] for name in ("init", "login", "athletes", "doctor", "import", "backup", "restore")),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path)
    (tmp_path / "file").write_text("a file")
    (tmp_path / "restored/databases").mkdir(parents=True)


def complaint(arguments: list[str]) -> tuple[int, str]:
    """The exit code, and its output, which is short, and holds neither a traceback nor a secret."""
    result = CliRunner().invoke(main, arguments, input="x\n")
    shown = result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in shown
    assert SECRET not in shown
    assert "panicked" not in shown
    errors = [line for line in result.stderr.splitlines() if line.startswith(("error:", "Error:"))]
    assert len(errors) == (0 if arguments[0] == "doctor" and result.exit_code == 1 else 1), shown
    assert all(len(line) < 500 for line in shown.splitlines())
    return result.exit_code, shown


@pytest.mark.parametrize("arguments", BAD_OPTIONS, ids=" ".join)
def test_a_bad_option_is_reported_in_a_line(arguments: list[str]) -> None:
    code, shown = complaint(arguments)
    assert code in {1, 2, 75, 78}, shown


@pytest.mark.parametrize(("name", "command"), [(name, command) for name in BAD_SETTINGS for command in COMMANDS])
def test_a_bad_setting_is_named_by_every_command(name: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, BAD_SETTINGS[name])
    code, shown = complaint(COMMANDS[command])
    assert (code, name in shown) == (78, True), shown


@pytest.mark.parametrize("name", [*(variable.name for variable in VARIABLES), "PGSERVICE", "PGHOST", "AWS_CA_BUNDLE"])
@pytest.mark.parametrize("value", [f"https://me:{SECRET}@host:99999/", f"postgresql://me:{SECRET}@[::1/db"])
def test_a_password_in_a_setting_where_none_belongs_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    complaint(["athlete", "show"])


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_servers_that_are_away_are_reported_in_a_line(command: str) -> None:
    code, shown = complaint(COMMANDS[command])
    assert code == (1 if command == "doctor" else 75), shown


def test_a_backup_that_fails_leaves_no_folder_behind(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "mine").mkdir()
    for folder in ("new", "new/in/new", "mine"):
        complaint(["backup", folder])
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "mine"])


@pytest.mark.parametrize("written", [b"A=\xff\xfe", "STRAVA_START_DATE=2024\n".encode("utf-16")])
def test_a_file_of_settings_that_is_no_text_is_reported_in_a_line(written: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(written)
    code, shown = complaint(["athletes"])
    assert code in {75, 78}, shown
    assert ".env" in shown or "Redis" in shown


def test_a_line_of_the_file_of_settings_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("S3_BUCKET=a\n\nSTRAVA_CLIENT_SECRET='0123456789\n")
    code, shown = complaint(["athletes"])
    assert (code, "The file .env cannot be read: line 3 is not NAME=value" in shown) == (78, True), shown
    assert "0123456789" not in shown


def test_an_unexpected_error_is_one_line_and_its_place_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        raise KeyError("first\nsecond")

    monkeypatch.setattr("strava_assets.cli.athletes.command", failing)
    code, shown = complaint(["athletes"])
    assert (code, shown.count("\n")) == (70, 1)
    assert "strava-assets --debug" in shown
    assert isinstance(CliRunner().invoke(main, ["--debug", "athletes"]).exception, KeyError)


def test_a_full_disk_is_reported_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def failing() -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x" * 100_000)

    monkeypatch.setattr("strava_assets.cli.athletes.command", failing)
    assert complaint(["athletes"]) == (75, "error: No space left on device.\n")
