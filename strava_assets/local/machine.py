"""Whether this machine can have what is about to be installed: `python -m strava_assets.local.machine .venv up`.

The Makefile runs it before it installs anything, with a Python that has none of the dependencies: only the standard
library is imported here. docs/machines.md has the same as a table.
"""

import codecs
import locale
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from strava_assets.local.free_ports import is_free

NEWEST_PYTHON = (3, 14)
"""The last Python that every locked package has a wheel for."""

OLDEST_GLIBC = (2, 28)
NEEDED_BYTES = 1_500_000_000
"""The virtual environment, what pip unpacks meanwhile, and a first history."""

SERVERS = {"up", "test", "test-all", "test-long", "bench", "screenshots"}
"""The Makefile's targets that start the embedded servers."""


@dataclass(frozen=True)
class Machine:
    """What is known of a machine and its Python; the defaults are those of one that can have everything."""

    python: tuple[int, int] = NEWEST_PYTHON
    implementation: str = "CPython"
    free_threaded: bool = False
    is_32_bit: bool = False
    system: str = "Linux"
    architecture: str = "x86_64"
    glibc: tuple[int, int] | None = OLDEST_GLIBC
    folder: Path = Path("/srv/project")
    environment: Path = Path("/srv/project/.venv")
    encoding: str = "utf-8"
    free_bytes: int = NEEDED_BYTES
    is_root: bool = False
    programs: frozenset[str] = field(default_factory=frozenset)
    settings: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def this_one(cls, environment: Path) -> "Machine":
        """This machine, seen from its current folder; `environment` is where the virtual environment is to be."""
        return cls(
            python=sys.version_info[:2],
            implementation=platform.python_implementation(),
            free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            # The Python's own, not the kernel's: Raspberry Pi OS has a 64-bit kernel under 32-bit programs.
            is_32_bit=sys.maxsize < 2**32,
            system=platform.system(),
            architecture=platform.machine(),
            glibc=_glibc(),
            folder=Path.cwd(),
            environment=environment.absolute(),
            encoding=codecs.lookup(locale.getencoding()).name,
            free_bytes=shutil.disk_usage(Path.cwd()).free,
            is_root=sys.platform != "win32" and os.geteuid() == 0,
            programs=frozenset(name for name in ("setpriv", "weed") if shutil.which(name)),
            settings=frozenset(_settings()),
        )


def obstacles(machine: Machine, goals: set[str]) -> Iterator[str]:
    """What keeps the Makefile's targets `goals` from working here, each with what to do instead."""
    yield from _python(machine)
    yield from _system(machine)
    if found := [character for character in ':"$`\\%' if character in str(machine.environment)]:
        yield (
            f"What pip installs does not work in {machine.environment}: the path has {' '.join(found)} in it. "
            "Move the project, or put that elsewhere: make VENV=$HOME/strava_venv up"
        )
    if machine.encoding != "utf-8" and not str(machine.folder).isascii():
        # Where the package is installed from stands in a file that Python reads by the locale, even in its UTF-8 mode.
        yield (
            f"The locale's encoding is {machine.encoding}, in which Python cannot read the path {machine.folder}. "
            "Set another locale (export LC_ALL=C.UTF-8), or move the project."
        )
    if machine.free_bytes < NEEDED_BYTES:
        yield (
            f"{machine.free_bytes / 1e9:.1f} GB are free on this disk; the installation needs "
            f"{NEEDED_BYTES / 1e9:.1f} GB. Make room, or clone the project on another disk."
        )
    if reason := unusable_path(machine.folder):
        yield reason
    if goals & SERVERS:
        yield from _servers(machine)


def unusable_path(folder: Path) -> str | None:
    """Why no server can have its data in this folder, whatever the file system allows; None where it can."""
    path = os.fsencode(folder.absolute())
    if b"\n" in path or b"\r" in path:
        reason = "has a line break in it, which Postgres does not take"
    elif path.decode(errors="replace").encode() != path:
        reason = "is not UTF-8"
    else:
        return None
    return f"The path {str(folder)!r} {reason}. Move the project to another folder."


def _python(machine: Machine) -> Iterator[str]:
    wanted = f"a CPython 3.11 to {'.'.join(map(str, NEWEST_PYTHON))}: make PYTHON=/path/to/python3.13 up"
    if machine.implementation != "CPython":
        yield f"The dependencies have no wheels for {machine.implementation}. Name {wanted}"
    elif machine.free_threaded:
        yield f"The dependencies have no wheels for the free-threaded Python. Name {wanted}"
    elif machine.python > NEWEST_PYTHON:
        yield f"Python {'.'.join(map(str, machine.python))} is newer than the dependencies' wheels. Name {wanted}"


def _system(machine: Machine) -> Iterator[str]:
    if machine.system not in {"Linux", "Darwin"}:
        yield f"There is no embedded Postgres for {machine.system}. On Windows, run this in WSL 2."
    elif machine.is_32_bit:
        yield "This Python has 32 bits; the dependencies have 64. Install the 64-bit system (Raspberry Pi OS has one)."
    elif machine.architecture not in {"x86_64", "amd64", "aarch64", "arm64"}:
        yield f"The dependencies have no wheels for {machine.architecture}. Use a machine with x86-64 or arm64."
    elif machine.system == "Linux" and machine.glibc is None:
        yield (
            "This Linux has no glibc (Alpine has musl), and there is no embedded Postgres for it. "
            "Use a Debian, or a container of one."
        )
    elif machine.system == "Linux" and machine.glibc is not None and machine.glibc < OLDEST_GLIBC:
        yield (
            f"glibc {'.'.join(map(str, machine.glibc))} is too old for the wheels, which need 2.28: "
            "Debian 10, Ubuntu 20.04, RHEL 8 or newer."
        )


def _servers(machine: Machine) -> Iterator[str]:
    if machine.is_root and "setpriv" not in machine.programs and not {"DATABASE_URL", "REDIS_URL"} <= machine.settings:
        yield (
            "Postgres and Redis are not run as root, and setpriv (util-linux), which would lend them to another "
            "account, is not installed. Install it, or run this as another user."
        )
    if (
        (machine.system, machine.architecture) == ("Darwin", "x86_64")
        and "weed" not in machine.programs
        and "AWS_ENDPOINT_URL_S3" not in machine.settings
    ):
        yield (
            "There is no wheel of the embedded S3 server for Intel Macs. Install it (brew install seaweedfs), "
            "or set AWS_ENDPOINT_URL_S3 and its keys."
        )


def _glibc() -> tuple[int, int] | None:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        major, minor = version.split(".")[:2]
    except (OSError, ValueError):
        return None
    return (int(major), int(minor)) if name == "glibc" else None


def _settings() -> Iterator[str]:
    """The names that are set in the environment or in `.env`; what their values are worth is looked at later."""
    yield from (name for name, value in os.environ.items() if value)
    file = Path(".env")
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    yield from (
        name.strip().removeprefix("export ") for name, _, value in (line.partition("=") for line in lines) if value
    )


def _variables(port: str, archive: str) -> Iterator[str]:
    """What is wrong with the variables of `make up`, which gives them to the environment."""
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        yield f"PORT={port} is not a port. Give a number from 1 to 65535, for example: make up PORT=4000"
    # Where there is a data folder, the port may be that of a killed `up`, which the next one takes over.
    elif not Path(".local").exists() and not is_free(int(port)):
        yield f"Port {port} is in use. Stop what uses it, or choose another: make up PORT={int(port) + 1}"
    try:
        Path(archive).expanduser().stat()
    except OSError as error:
        yield f"{archive} cannot be read: {error.strerror}."


def main(environment: str, *goals: str) -> int:
    """Print what stands in the way, a line each, and return the exit code."""
    found = list(obstacles(Machine.this_one(Path(environment)), set(goals)))
    if "up" in goals:
        found += _variables(os.environ.get("PORT") or "3000", os.environ.get("ARCHIVE", ""))
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
