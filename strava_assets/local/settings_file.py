"""The settings that lead to the embedded servers, for commands in another terminal: the file `.local/env`.

It holds shell assignments, so `set -a; . .local/env; set +a` gives them to any program. It is readable
by its owner only, since the embedded S3's keys are in it.
"""

import fcntl
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from strava_assets.local import atomic_file
from strava_assets.local.own_command import up_command

FOLDER = ".local"
"""Where the embedded servers keep everything, relative to the project's folder."""


_PREFIXES = {"DATABASE_URL": "PG", "AWS_ENDPOINT_URL_S3": "AWS_"}
"""How the variables begin that every client of such a server reads, whichever server that is."""


def unset_other_servers(settings: Iterable[str] = _PREFIXES) -> list[str]:
    """Remove from this process's environment what belongs to other servers, where none of `settings` names one.

    The embedded ones are used then; an exported PGPORT or AWS_PROFILE would mislead their clients. Returns the names.
    """
    prefixes = tuple(_PREFIXES[setting] for setting in settings if not os.environ.get(setting))
    found = [name for name in os.environ if name.startswith(prefixes)]
    for name in found:
        del os.environ[name]
    return found


def write_settings(folder: Path, settings: Mapping[str, str], unset: Iterable[str] = ()) -> Path:
    """Write `settings` to the file `env` in `folder`, at once and whole; returns its path.

    The variables `unset` belong to other servers: who reads the file in a shell is rid of them.
    """
    file = folder / "env"
    lines = [f"unset {name}" for name in unset if name not in settings]
    lines += [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    atomic_file.write(file, "".join(f"{line}\n" for line in lines))
    return file


def read_settings(folder: Path) -> dict[str, str]:
    """The settings in the file `env` in `folder`; none where there is no such file."""
    file = folder / "env"
    words = [shlex.split(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {name: value for name, _, value in (line[0].partition("=") for line in words) if name != "unset"}


def load_settings_of_running_servers(project: Path) -> None:
    """Give this process what `strava-assets up` wrote, if that runs in `project`; what is set already stays.

    But for where Dagster runs: another DAGSTER_HOME would be another instance.
    """
    folder = project / FOLDER
    settings = read_settings(folder)
    if not settings or not is_in_use(folder):
        return
    unset_other_servers(name for name in _PREFIXES if name in settings)
    for name, value in settings.items():
        if not os.environ.get(name) or name == "DAGSTER_HOME":
            os.environ[name] = value


def nothing_runs(project: Path) -> str | None:
    """A sentence for whoever finds no server, where none is named and `strava-assets up` does not run in `project`."""
    if any(os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL_S3")):
        return None
    folder = project / FOLDER
    if folder.exists() and is_in_use(folder):
        return None
    return f" Nothing runs in this folder: start everything in another terminal with `{up_command()}`."


def is_simulated_without_application(folder: Path) -> bool:
    """Whether a simulated Strava stands in where there is no API application: not beside data of one's own."""
    return not (folder / "real").exists()


def is_in_use(folder: Path) -> bool:
    """Whether a `strava-assets up` runs on this folder."""
    lock = try_to_lock(folder)
    if lock is None:
        return True
    os.close(lock)
    return False


def try_to_lock(folder: Path, name: str = "lock") -> int | None:
    """Mark `folder` as in use until the returned descriptor is closed; None if another process uses it."""
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
