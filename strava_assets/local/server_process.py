"""One server as a child process: started, waited for, stopped by its own process id.

A server's folder holds two lock files. `owner.lock` is held by the Python process that runs the server, so
that two of them never share a folder. `server.lock` is inherited by the server itself and names its process
id: as long as the lock is held, that id is the server's, whatever a power cut left in the file. So a stale
file does no harm, and a server that outlived a killed owner is found and stopped.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local import supervisor
from strava_assets.local.settings_file import try_to_lock

_POLL_SECONDS = 0.02


class ServerProcess:
    """A server that belongs to one folder; `start` and `stop` may be called again and again."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        owner_killed_signal: signal.Signals | None = None,
        is_server: bool = True,
    ) -> None:
        """`name` is what messages call the server; `folder` is made, readable by its owner only.

        `owner_killed_signal` is for one that takes long to stop: it is `stop_signal` by default. `is_server` is false
        for what uses the servers, and is stopped before them.
        """
        self.name = name
        self._stop_signal = stop_signal
        self._owner_killed_signal = owner_killed_signal
        self._is_server = is_server
        self.folder = folder
        self.log = folder / "log"
        self.child: supervisor.Child | None = None
        self.while_waiting: Callable[[], None] = lambda: None
        """Called again and again while the server gets ready; an exception that it raises stops the server."""
        self.leftovers: list[Path] = []
        """What it leaves outside its folder, removed when it is stopped."""
        self._owner_lock: int | None = None
        self._log_began = 0

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self.child is None:
            raise RuntimeError(f"{self.name} is not running")
        return self.child.pid

    def acquire_folder(self) -> None:
        """Make the folder ours alone, and stop a server that a killed owner left behind.

        Raises ConfigurationError if another process runs a server there.
        """
        if self._owner_lock is not None:
            raise RuntimeError(f"{self.name} has been started already")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._owner_lock = try_to_lock(self.folder, "owner.lock")
        if self._owner_lock is None:
            raise ConfigurationError(
                f"{self.folder} is in use by another process. Stop that one first, or use another folder."
            )
        supervisor.stop_left_behind(self.folder)

    def release_folder(self) -> None:
        """Let others use the folder."""
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def keep_folder_over_exec(self) -> None:
        """Keep the folder ours when this process replaces its program, until it ends."""
        if self._owner_lock is not None:
            os.set_inheritable(self._owner_lock, True)  # noqa: FBT003

    def start(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        is_ready: Callable[[], bool],
        timeout: float = 300,
        working_folder: Path | None = None,
        restarts: bool = False,
    ) -> None:
        """Run `command` and return as soon as `is_ready()`; its output goes to the file `log`.

        A slow machine has minutes for it: what ends meanwhile is noticed at once. `restarts` has the supervisor restart
        it when it ends unexpectedly. Raises ServiceUnavailable, with the end of the log, if it is not ready.
        """
        words = [os.fspath(part) for part in command]
        supervisor.rotate(self.log)
        self._log_began = self.log.stat().st_size if self.log.exists() else 0
        try:
            pid = supervisor.spawn(
                self.folder,
                words,
                environment,
                working_folder or self.folder,
                stop_signal=self._stop_signal,
                owner_killed_signal=self._owner_killed_signal,
            )
        except BlockingIOError:
            raise ServiceUnavailable(f"{self.name} in {self.folder} still runs, although it was stopped.") from None
        self.child = supervisor.Child(
            self.name,
            str(self.folder),
            pid,
            stop_signal=self._stop_signal,
            is_server=self._is_server,
            leftovers=[str(path) for path in self.leftovers],
            restart_command=words if restarts else None,
            working_folder=str(working_folder or self.folder),
        )
        try:
            self._wait_until(is_ready, timeout)
        except BaseException:
            self.stop(supervisor.SERVERS_SECONDS)
            raise

    def stop(self, timeout: float = 30) -> None:
        """End the server and what it started. Harmless if it is not running.

        It gets its signal and `timeout` seconds, what then remains of what it started a SIGTERM and a moment
        again; then it is killed. What a server that ended unexpectedly left behind gets the SIGTERM at once.
        """
        if self.child is not None:
            supervisor.stop([self.child], timeout)
            self.child = None
        supervisor.remove(map(str, self.leftovers))

    def has_ended(self) -> int | None:
        """The exit code of a server that ended unexpectedly; None while it runs."""
        return self.child.code if self.child and self.child.has_ended() else None

    def _wait_until(self, is_ready: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not is_ready():
            self.while_waiting()
            code = self.has_ended()
            if code is not None:
                raise ServiceUnavailable(
                    f"{self.name} ended with code {code} while it was starting.{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"{self.name} was not ready within {timeout:.0f} s.{self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        with self.log.open(errors="replace") as log:
            log.seek(self._log_began)
            lines = log.read().strip().splitlines()
        return f" The end of {self.log}: {lines[-1].strip()}" if lines else ""
