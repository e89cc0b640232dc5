"""The file that leads other terminals to the embedded servers."""

import os
import subprocess
from pathlib import Path

import pytest

from strava_assets.local.settings_file import (
    FOLDER,
    load_settings_of_running_servers,
    read_settings,
    try_to_lock,
    unset_other_servers,
    write_settings,
)

EMBEDDED = {
    "DATABASE_URL": "postgresql:///strava",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8333",
    "AWS_ACCESS_KEY_ID": "embedded's",
    "DAGSTER_HOME": "/here",
}


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """A project in which `strava-assets up` runs, as far as others can tell."""
    (tmp_path / FOLDER).mkdir()
    write_settings(tmp_path / FOLDER, EMBEDDED, ["PGPORT", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"])
    assert try_to_lock(tmp_path / FOLDER) is not None
    return tmp_path


def test_what_belongs_to_another_server_goes_where_the_embedded_one_is_used(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*EMBEDDED, "PGPORT", "PGSSLMODE", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "another's")
    for name in ("DATABASE_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name)
    load_settings_of_running_servers(running)
    assert {name: os.environ.get(name) for name in EMBEDDED} == EMBEDDED
    assert not [name for name in os.environ if name.startswith(("PG", "AWS_")) and name not in EMBEDDED]


def test_it_stays_where_another_server_is_used(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"DATABASE_URL": "postgresql://h/d", "PGPORT": "5433"}
    settings |= {"AWS_ENDPOINT_URL_S3": "https://h", "AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "mine"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    load_settings_of_running_servers(running)
    assert settings.items() <= os.environ.items()


def test_other_variables_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    monkeypatch.setenv("XPGPORT", "5433")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    assert "PGPORT" not in unset_other_servers()
    monkeypatch.setenv("DATABASE_URL", "")
    assert "PGPORT" in unset_other_servers()
    assert "PGPORT" not in os.environ
    assert "XPGPORT" in os.environ


def test_a_shell_that_reads_the_file_is_rid_of_them_as_well(running: Path) -> None:
    foreign = {"PATH": os.environ["PATH"], "PGPORT": "5433", "AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "mine"}
    command = "set -a; . .local/env; set +a; env"
    shown = subprocess.run(["sh", "-c", command], cwd=running, env=foreign, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert found.items() >= EMBEDDED.items()
    assert not found.keys() & {"PGPORT", "AWS_PROFILE"}
    assert read_settings(running / FOLDER) == EMBEDDED
