"""deploy/make-env.sh gives every installation passwords of its own, once."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script where a checkout has it."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "make-env.sh", tmp_path / "deploy")
    return tmp_path


def make_env(checkout: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([checkout / "deploy/make-env.sh", *options], capture_output=True, text=True, check=False)


def test_every_password_that_compose_asks_for_is_there_and_random(checkout: Path):
    assert make_env(checkout).returncode == 0
    file = checkout / ".env"
    assert file.stat().st_mode & 0o077 == 0
    made = dotenv_values(file)
    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text()))
    passwords = [made[name] or "" for name in required]
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    assert len(set(passwords)) == len(required)
    file.unlink()
    make_env(checkout)
    assert set(passwords).isdisjoint(dotenv_values(file).values())


def test_what_is_there_is_left_alone(checkout: Path):
    (checkout / ".env").write_text("MINE=1\n")
    done = make_env(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("error: .env is there already")
    assert (checkout / ".env").read_text() == "MINE=1\n"


def test_an_env_of_an_earlier_version_gets_what_is_missing_and_keeps_the_rest(checkout: Path):
    (checkout / ".env").write_text("REDIS_PASSWORD=old\n# mine\nMINE=1")
    done = make_env(checkout)
    assert done.returncode == 0, done.stderr
    assert "REDIS_WEBHOOK_PASSWORD S3_PASSWORD" in done.stdout
    assert (checkout / ".env").read_text().startswith("REDIS_PASSWORD=old\n# mine\nMINE=1\nREDIS_WEBHOOK_PASSWORD=")
    assert dotenv_values(checkout / ".env")["S3_PASSWORD"]
    assert (checkout / ".env").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("line", "profiles"),
    [("", "minio"), ("COMPOSE_PROFILES=simulator\n", "simulator,minio"), ('COMPOSE_PROFILES="a, b"\n', "a,b,minio")],
)
def test_an_env_of_a_version_with_minio_has_its_objects_carried_over_once(checkout: Path, line: str, profiles: str):
    (checkout / ".env").write_text(f"{line}REDIS_PASSWORD=old\nMINIO_ROOT_PASSWORD=root\nMINE=1")
    assert make_env(checkout).returncode == 0
    text = (checkout / ".env").read_text()
    assert text.count("COMPOSE_PROFILES=") == 1
    made = dotenv_values(checkout / ".env")
    assert made["COMPOSE_PROFILES"] == profiles
    assert {"REDIS_PASSWORD": "old", "MINIO_ROOT_PASSWORD": "root", "MINE": "1"}.items() <= made.items()
    again = make_env(checkout)
    assert (again.returncode, again.stderr) == (0, "")
    assert "nothing was written" in again.stdout
    assert (checkout / ".env").read_text() == text


def test_a_simulated_strava_is_one_option_away(checkout: Path):
    make_env(checkout, "--simulated")
    made = dotenv_values(checkout / ".env")
    assert made["COMPOSE_PROFILES"] == "simulator"
    assert made["STRAVA_BASE_URL"] == "http://simulator:8888"


def test_a_mistyped_option_writes_nothing(checkout: Path):
    done = make_env(checkout, "--simulate")
    assert done.returncode == 2
    assert "unknown option --simulate" in done.stderr
    assert not (checkout / ".env").exists()
