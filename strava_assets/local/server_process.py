"""One server as a child process: started, waited for, stopped by its own process id.

A server's folder holds two lock files. `owner.lock` is held by the Python process that runs the server, so
that two of them never share a folder. `server.lock` is inherited by the server itself and names its process
id: as long as the lock is held, that id is the server's, whatever a power cut left in the file. So a stale
file does no harm, and a server that outlived a killed owner is found and stopped.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from strava_assets.errors import ConfigurationError, ServiceUnavailable

_POLL_SECONDS = 0.02


class ServerProcess:
    """A server that belongs to one folder; `start` and `stop` may be called again and again."""

    def __init__(self, name: str, folder: Path, *, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """`name` is what messages call the server; `folder` is made, readable by its owner only."""
        self.name = name
        self._stop_signal = stop_signal
        self.folder = folder
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._owner_lock: int | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    def acquire_folder(self) -> None:
        """Make the folder ours alone, and stop a server that a killed owner left behind.

        Raises ConfigurationError if another process runs a server there.
        """
        if self._owner_lock is not None:
            raise RuntimeError(f"{self.name} has been started already")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        owner_lock = _open_private(self.folder / "owner.lock")
        if not _try_lock(owner_lock):
            os.close(owner_lock)
            raise ConfigurationError(
                f"{self.folder} is in use by another process. Stop that one first, or use another folder."
            )
        self._owner_lock = owner_lock
        self._stop_left_behind()

    def release_folder(self) -> None:
        """Let others use the folder."""
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def start(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        is_ready: Callable[[], bool],
        timeout: float = 60,
        working_folder: Path | None = None,
    ) -> None:
        """Run `command` and return as soon as `is_ready()`; its output goes to the file `log`.

        The server gets a session of its own: a Ctrl-C on the terminal reaches only its owner, which stops
        it after what uses it. Raises ServiceUnavailable, with the end of the log, if it does not get ready.
        """
        lock = _open_private(self.folder / "server.lock")
        try:
            if not _try_lock(lock):
                raise ServiceUnavailable(f"{self.name} in {self.folder} still runs, although it was stopped.")
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - commands are made in this package
                    [os.fspath(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=working_folder or self.folder,
                    env=dict(environment),
                    start_new_session=True,
                    pass_fds=(lock,),
                )
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(self._process.pid).encode(), 0)
        finally:
            os.close(lock)
        try:
            self._wait_until(is_ready, timeout)
        except BaseException:
            self.stop()
            raise

    def begin_to_stop(self) -> None:
        """Ask the server to end, and do not wait for it."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)

    def stop(self, timeout: float = 30) -> None:
        """End the server and what it started. Harmless if it is not running.

        It gets its signal and `timeout` seconds, what then remains of its session a SIGTERM and as many
        seconds again; then it is killed. What a server that ended by itself left behind gets the SIGTERM at once.
        """
        if (process := self._process) is None:
            return
        if process.poll() is not None:
            _signal_session(process.pid, signal.SIGTERM)
        self.begin_to_stop()
        self._process = None
        for harder_signal in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
            if _wait_for_session(process.pid, timeout):
                break
            _signal_session(process.pid, harder_signal)
        process.wait()

    def has_ended(self) -> int | None:
        """The exit code of a server that ended by itself; None while it runs."""
        return self._process.poll() if self._process else None

    def _wait_until(self, is_ready: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not is_ready():
            code = self.has_ended()
            if code is not None:
                raise ServiceUnavailable(
                    f"{self.name} ended with code {code} while it was starting.{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"{self.name} was not ready within {timeout:.0f} s.{self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f" The end of {self.log}: {lines[-1].strip()}" if lines else ""

    def _stop_left_behind(self, timeout: float = 30) -> None:
        lock = _open_private(self.folder / "server.lock")
        try:
            if _try_lock(lock):
                return
            pid = int(os.pread(lock, 20, 0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, self._stop_signal)
            deadline = time.monotonic() + timeout
            while not _try_lock(lock):
                if time.monotonic() > deadline:
                    _signal_session(pid, signal.SIGKILL)
                    deadline = float("inf")
                time.sleep(_POLL_SECONDS)
        finally:
            os.close(lock)


def _session(session_id: int) -> list[psutil.Process]:
    """The living processes of a session, also after its first one ended: Dagster's runs outlive the daemon."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == session_id and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def _wait_for_session(session_id: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while _session(session_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _signal_session(session_id: int, number: signal.Signals) -> None:
    for process in _session(session_id):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _open_private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
