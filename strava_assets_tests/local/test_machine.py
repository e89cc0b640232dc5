"""What a machine must have, as the Makefile asks before it installs anything."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from strava_assets.local.machine import NEEDED_BYTES, SERVERS, Machine, obstacles

ROOT = Path(__file__).parents[2]


def test_the_machine_that_runs_the_tests_can_have_everything() -> None:
    assert list(obstacles(Machine.this_one(Path(sys.prefix)), SERVERS)) == []


@pytest.mark.parametrize("folder", ["my strava", "a,b", "a#b?c", "it's", "(a) & [b]; <c> | *", "ü 日本"])
def test_other_folders_than_plain_ones_are_fine(folder: str) -> None:
    assert (
        list(obstacles(Machine(folder=Path("/srv", folder), environment=Path("/srv", folder, ".venv")), SERVERS)) == []
    )


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_linux_with_glibc_can_have_everything(architecture: str, minor: int) -> None:
    machine = Machine(python=(3, minor), architecture=architecture)
    assert list(obstacles(machine, SERVERS)) == []


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (Machine(python=(3, 15)), "Python 3.15 is newer than the dependencies' wheels. Name a CPython 3.11 to 3.14"),
        (Machine(implementation="PyPy"), "no wheels for PyPy. Name a CPython"),
        (Machine(free_threaded=True), "no wheels for the free-threaded Python. Name a CPython"),
        (
            Machine(is_32_bit=True, architecture="aarch64"),
            "32 bits; the dependencies have 64. Install the 64-bit system",
        ),
        (Machine(architecture="riscv64"), "no wheels for riscv64. Use a machine with x86-64 or arm64"),
        (Machine(glibc=None), "no glibc (Alpine has musl), and there is no embedded Postgres for it. Use a Debian"),
        (Machine(glibc=(2, 17)), "glibc 2.17 is too old for the wheels, which need 2.28: Debian 10"),
        (Machine(system="Windows", architecture="AMD64"), "for Windows. On Windows, run this in WSL 2"),
        (Machine(system="CYGWIN_NT-10.0"), "run this in WSL 2"),
        (Machine(environment=Path("/srv/a:b")), "/srv/a:b: the path has : in it. Move the project"),
        (Machine(environment=Path('/srv/"$x" `y` \\ 9%')), """the path has " $ ` \\ % in it. Move the project"""),
        (Machine(folder=Path("/srv/a\nb")), "The path '/srv/a\\nb' has a line break in it"),
        (
            Machine(folder=Path(os.fsdecode(b"/srv/\xe9"))),
            "The path '/srv/\\udce9' is not UTF-8. Move the project to another folder.",
        ),
        (
            Machine(folder=Path("/srv/läufe"), encoding="ascii"),
            "The locale's encoding is ascii, in which Python cannot read the path /srv/läufe. Set another locale",
        ),
        (Machine(free_bytes=NEEDED_BYTES - 10**9), "0.5 GB are free on this disk; the installation needs 1.5 GB"),
    ],
)
def test_what_a_machine_cannot_have_is_reported_with_what_to_do(machine: Machine, message: str) -> None:
    (line,) = obstacles(machine, {"lint"})
    assert message in line


@pytest.mark.parametrize(
    ("machine", "settings", "message"),
    [
        (Machine(is_root=True), {"DATABASE_URL", "REDIS_URL"}, "setpriv (util-linux), which would lend them"),
        (
            Machine(system="Darwin", architecture="x86_64", glibc=None),
            {"AWS_ENDPOINT_URL_S3"},
            "Install it (brew install seaweedfs), or set AWS_ENDPOINT_URL_S3",
        ),
    ],
)
def test_a_server_that_cannot_be_run_here_matters_where_it_is_started(
    machine: Machine, settings: set[str], message: str
) -> None:
    (line,) = obstacles(machine, {"up"})
    assert message in line
    assert list(obstacles(machine, {"lint"})) == []
    assert list(obstacles(replace(machine, settings=frozenset(settings)), {"up"})) == []
    assert list(obstacles(replace(machine, programs=frozenset({"setpriv", "weed"})), {"up"})) == []


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make` in a folder that has the project's files, and no virtual environment yet."""
    for name in ("Makefile", "pyproject.toml", "locks", "strava_assets"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_taken_port_is_reported_before_anything_is_installed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = make(tmp_path, "up", f"PORT={port}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        f"error: Port {port} is in use. Stop what uses it, or choose another: make up PORT={port + 1}"
    )
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("PORT=abc", "PORT=abc is not a port. Give a number from 1 to 65535, for example: make up PORT=4000"),
        ("PORT=65536", "PORT=65536 is not a port. Give a number from 1 to 65535, for example: make up PORT=4000"),
        ("ARCHIVE=it's gone.zip", "it's gone.zip cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_variable_is_reported_before_anything_is_installed(tmp_path: Path, variable: str, message: str) -> None:
    done = make(tmp_path, "up", "PORT=59999", variable)
    assert done.stderr.splitlines()[0] == f"error: {message}"
    assert not (tmp_path / ".venv").exists()


def test_an_older_python_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    older = tmp_path / "python"
    older.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    older.chmod(0o755)
    done = make(tmp_path, "up", f"PYTHON={older}")
    assert done.stderr.startswith(
        f"error: Python 3.11 or newer is needed; {older} is Python 3.9.2. Name another: make "
    )
    assert not (tmp_path / ".venv").exists()


def test_a_foreign_virtual_environment_that_is_exported_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    (foreign / "bin").mkdir(parents=True)
    project = tmp_path / "project"
    project.mkdir()
    assert make(project, "--dry-run", "clean", VENV=str(foreign)).stdout.startswith("rm -rf .venv ")
    assert str(foreign) not in make(project, "--dry-run", "up", VENV=str(foreign)).stdout


PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1"
"""

BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(folder + "/tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    return "tiny-1-py3-none-any.whl"
"""

PIP_CONF = """
[global]
require-hashes = true
dry-run = true
[install]
user = true
target = {folder}/foreign
prefix = {folder}/foreign
root = {folder}/foreign
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["variables", "file"])
def test_wherever_pip_is_configured_to_install_things_the_environment_is_complete(tmp_path: Path, way: str) -> None:
    project = tmp_path / "a project"
    (project / "locks").mkdir(parents=True)
    (project / "locks/dev.txt").touch()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "backend.py").write_text(BACKEND)
    config = tmp_path / "pip.conf"
    config.write_text(PIP_CONF.format(folder=tmp_path))
    foreign = str(tmp_path / "foreign")
    settings = {
        "variables": dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "VENV"), foreign)
        | {"PIP_USER": "1", "PIP_DRY_RUN": "1", "PIP_REQUIRE_HASHES": "1", "PIP_NO_BINARY": ":all:"},
        "file": {"PIP_CONFIG_FILE": str(config)},
    }
    done = make(project, ".venv/installed", **settings[way])
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([project / ".venv/bin/python", "-c", "import tiny"], check=False, cwd=tmp_path)
    assert shown.returncode == 0
    assert not (tmp_path / "foreign").exists()
