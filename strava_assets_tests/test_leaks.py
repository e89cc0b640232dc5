"""The search for secrets in all that the tests write must find one."""

import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from strava_assets.services import open_store
from strava_assets.settings import Settings
from strava_assets_tests import leaks


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is found in this test, which would fail the whole run otherwise."""
    found: dict[str, int] = {}
    monkeypatch.setattr(leaks, "found", found)
    return found


def test_a_secret_is_found_in_text_and_inside_a_longer_word(found: dict[str, int]):
    token = secrets.token_hex(20)
    leaks.look("here", f"Bearer {token}")
    leaks.look("there", f"0{token}f")
    leaks.look("elsewhere", f"key={secrets.token_hex(32)}")
    leaks.look("nowhere", secrets.token_hex(8) + "0" * 40)
    assert found == {"here": 1, "there": 1, "elsewhere": 25}  # the longer one at each of its places


def test_a_secret_is_found_in_a_file_but_not_where_it_belongs(found: dict[str, int], tmp_path: Path):
    made_by_a_child = "0123456789abcdef0123456789abcdef01234567"
    for name in (".env", "app.log"):
        (tmp_path / name).write_text(f"STRAVA_CLIENT_SECRET={made_by_a_child}")
    leaks.look_at_files(tmp_path)
    assert found == {"app.log": 1}
    leaks.known.remove(made_by_a_child.encode())
    (tmp_path / "app.log").unlink()


def test_a_secret_is_found_in_a_row_and_in_an_object(environment: dict[str, str], found: dict[str, int]):
    token = secrets.token_hex(20)
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE events AS SELECT '{token}' AS value"))
    engine.dispose()
    open_store(Settings.from_environment())._store.put("compute_logs/1.err", token.encode())
    leaks.look_at_servers("this test", environment)
    assert found == {"DATABASE_URL of this test": 1, "s3://compute_logs/1.err of this test": 1}
    leaks.known.remove(token.encode())  # Postgres' log of what was written keeps it


LEAKING = """
import re
import secrets
import subprocess
import sys
def test_that_leaks(tmp_path):
    (tmp_path / "log").write_text(secrets.token_hex(20))
def test_that_prints():
    print(secrets.token_hex(20))
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_secret_that_is_found_fails_the_run_in_however_many_processes(tmp_path: Path, processes: str) -> None:
    folder = tmp_path / "leaking"
    folder.mkdir()
    (folder / "test_leaking.py").write_text(LEAKING)
    options = [
        "-p",
        "strava_assets_tests.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", processes, *options, f"--basetemp={tmp_path / 'files'}", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout
    assert "2 secret words were looked for" in done.stdout
    assert re.search(r"1 of them in .*test_that_leaks0/log\n", done.stdout)
    assert re.search(r"1 of them in the output of .*::test_that_prints\n", done.stdout)
    assert done.returncode == 1
