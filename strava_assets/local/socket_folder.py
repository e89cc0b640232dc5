"""Where a server's Unix socket lies: in the server's own folder, or a short private one if that path is unsuitable."""

import os
import re
import tempfile
from pathlib import Path

from strava_assets.errors import ConfigurationError

LONGEST_SOCKET_PATH = 103
"""Bytes of a socket's path: 103 on macOS, 107 on Linux, the closing NUL not counted."""

_PLAIN = re.compile(rb"[A-Za-z0-9/._-]+")
"""What every URL, option, list and shell takes as it is, in a socket's path."""


class SocketFolder:
    """A folder, private to its owner, in which a socket of `socket_name` can be opened."""

    def __init__(self, preferred: Path, socket_name: str) -> None:
        """`preferred` is made if a socket there has a short and plain path; else a temporary folder is.

        Raises ConfigurationError if no folder for temporary files has one either.
        """
        self._temporary: Path | None = None
        self.path = preferred.absolute()
        if not _is_suitable(self.path / socket_name):
            # The outer one stays this user's, whatever account the inner one is given to.
            self._temporary = Path(tempfile.mkdtemp(prefix="strava-", dir=_folder_for_temporary_files(socket_name)))
            self.path = self._temporary / "run"
        self.path.mkdir(mode=0o700, exist_ok=True)

    @property
    def leftovers(self) -> list[Path]:
        """What has to be deleted when the server has stopped: the folder, if it is a temporary one."""
        return [self._temporary] if self._temporary else []


def _is_suitable(socket: Path) -> bool:
    path = os.fsencode(socket)
    return len(path) <= LONGEST_SOCKET_PATH and _PLAIN.fullmatch(path) is not None


def _folder_for_temporary_files(socket_name: str) -> Path:
    candidates = [Path(tempfile.gettempdir()).absolute(), Path("/tmp")]  # noqa: S108 - private folders are made in it
    for candidate in candidates:
        if _is_suitable(candidate / "strava-12345678/run" / socket_name) and os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    raise ConfigurationError(
        f"{candidates[0]} is too long a path for a socket, or has characters other than letters, digits and /._-. "
        "Set TMPDIR to a folder with a short, plain one."
    )
