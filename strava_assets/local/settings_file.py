"""The settings that lead to the embedded servers, for commands in another terminal: the file `.local/env`.

It holds shell assignments, so `set -a; . .local/env; set +a` gives them to any program. It is readable
by its owner only, since the embedded S3's keys are in it.
"""

import fcntl
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

FOLDER = ".local"
"""Where the embedded servers keep everything, relative to the project's folder."""


def write_settings(folder: Path, settings: Mapping[str, str]) -> Path:
    """Write `settings` to the file `env` in `folder`, at once and whole; returns its path."""
    file, unfinished = folder / "env", folder / "env.unfinished"
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    unfinished.rename(file)
    return file


def load_settings_of_running_servers(project: Path) -> None:
    """Give this process what `strava-assets up` wrote, if that runs in `project`; what is set already stays."""
    folder = project / FOLDER
    if not (folder / "env").exists() or not is_in_use(folder):
        return
    for line in (folder / "env").read_text().splitlines():
        name, _, value = shlex.split(line)[0].partition("=")
        if not os.environ.get(name):
            os.environ[name] = value


def is_in_use(folder: Path) -> bool:
    """Whether a `strava-assets up` runs on this folder."""
    lock = try_to_lock(folder)
    if lock is None:
        return True
    os.close(lock)
    return False


def try_to_lock(folder: Path) -> int | None:
    """Mark `folder` as in use until the returned descriptor is closed; None if another process uses it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
