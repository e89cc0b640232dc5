"""Where a server's Unix socket lies: in the server's own folder, or a short private one if that path is too long."""

import os
import shutil
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 103
"""Bytes of a socket's path: 103 on macOS, 107 on Linux, the closing NUL not counted."""


class SocketFolder:
    """A folder, private to its owner, in which a socket of `socket_name` can be opened."""

    def __init__(self, preferred: Path, socket_name: str) -> None:
        """`preferred` is made if the socket's path there is short enough; else a temporary folder is."""
        self._temporary = len(os.fsencode(preferred.absolute() / socket_name)) > LONGEST_SOCKET_PATH
        if self._temporary:
            self.path = Path(tempfile.mkdtemp(prefix="strava-"))
        else:
            preferred.mkdir(mode=0o700, exist_ok=True)
            self.path = preferred.absolute()

    def remove(self) -> None:
        """Delete the folder if it is a temporary one."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
