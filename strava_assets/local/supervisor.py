"""What keeps watch once everything runs: a small process with the standard library alone.

`strava-assets up` loads most of Dagster to start things, 120 MB that nothing needs afterwards. So it replaces itself
(exec) with `python -P supervisor.py STATE`, which keeps its process id, its terminal and its children. Nothing of this
package is imported here for the same reason.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

RUNS_SECONDS = 4.0
"""How long a run in progress has to finish when everything is stopped; then it is told to end."""

SERVERS_SECONDS = 2.5
"""How long a server has to write what it holds. All of them keep their data when they are killed after that."""

LOG_BYTES = 5_000_000
"""A log that has grown over this is put aside as `log.1`, in place of the one before."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that stop everything: Ctrl-C, `kill`, and a closed terminal."""

_RESTARTS, _RESTARTS_WITHIN_SECONDS = 5, 600.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """A process that was started here, with all that it started: they share its process group."""

    name: str
    folder: str
    pid: int
    stop_signal: int = signal.SIGTERM
    is_server: bool = True
    """Dagster's parts use the servers, so they are stopped before them."""
    leftovers: list[str] = field(default_factory=list)
    """Files outside its folder that it leaves behind."""
    restart_command: list[str] | None = None
    """How it is started again when it ends unexpectedly; where there is none, everything is stopped then."""
    working_folder: str = ""
    """Where that command is run."""
    code: int | None = None
    """Its exit code once it has ended, negative for a signal."""
    restarts: list[float] = field(default_factory=list)

    def has_ended(self) -> bool:
        """Whether the process itself, not what it started, has ended."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.code = -1
            else:
                self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def is_gone(self) -> bool:
        """Whether nothing is left of it and of what it started."""
        if not self.has_ended():
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return True
        return False

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to it, or to all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(self.pid, number)
            elif not self.has_ended():
                os.kill(self.pid, number)


def spawn(
    folder: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    working_folder: Path,
    *,
    stop_signal: int,
    owner_killed_signal: int | None = None,
) -> int:
    """Start a process whose output is appended to `folder`'s log; returns its id.

    It leads a process group, so that a Ctrl-C on the terminal reaches only its owner, which stops it after what uses
    it. On Linux it gets a signal when its owner is killed, `stop_signal` unless another one is named. As long as it
    lives it holds `folder`'s server.lock, in which its id and `stop_signal` stand. Raises BlockingIOError where
    another process holds that.
    """
    lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rotate(folder / "log")
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(  # noqa: S603 - commands are made in this package
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=working_folder,
                env=dict(environment),
                start_new_session=True,
                pass_fds=(lock,),
                preexec_fn=lambda: die_with_parent(owner_killed_signal or stop_signal),  # noqa: PLW1509 - a single call into the kernel
            )
        finally:
            os.close(log)
        process.returncode = 0  # it is waited for by its id: its object must neither do so nor warn that nobody did
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{process.pid} {int(stop_signal)}".encode(), 0)
        return process.pid
    finally:
        os.close(lock)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Get a signal when the process that started this one ends, however that is; on Linux alone."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number))


def stop_left_behind(folder: Path, timeout: float = 10) -> int | None:
    """End a process that outlived its owner, and what it started; returns its id, None if there was none."""
    try:
        lock = os.open(folder / "server.lock", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(lock):
            return None
        words = os.pread(lock, 40, 0).split()
        pid, stop = int(words[0]), int(words[1]) if words[1:] else signal.SIGTERM
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, stop)
        deadline = time.monotonic() + timeout
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.02)
        return pid
    finally:
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def rotate(log: Path) -> None:
    """Put a log aside that has grown too large. Its writer goes on at the new beginning, since it appends."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.with_name("log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def stop_all(children: Sequence[Child], say: Callable[[str], None] = lambda _line: None) -> None:
    """Stop Dagster's parts together, then the servers, in ten seconds at most; the last line of each is printed."""
    for are_servers, patience in ((False, RUNS_SECONDS), (True, SERVERS_SECONDS)):
        stop([child for child in children if child.is_server is are_servers], patience, say)


def stop(children: Sequence[Child], patience: float, say: Callable[[str], None] = lambda _line: None) -> None:
    """Tell each to end, after `patience` what it started as well, and after a second more kill both."""
    began = time.monotonic()
    for child in children:
        if child.has_ended():
            child.signal(signal.SIGTERM, group=True)
        child.signal(child.stop_signal)
    remaining = list(children)
    steps = [(began + patience, signal.SIGTERM), (began + patience + 1, signal.SIGKILL)]
    while True:
        # What was killed is not waited for: it may be for an init process to take note of it, whenever that does.
        for child in [each for each in remaining if (each.is_gone() if steps else each.has_ended())]:
            remaining.remove(child)
            remove(child.leftovers)
            say(f"  {child.name} is stopped ({time.monotonic() - began:.1f} s)")
        if not remaining:
            return
        if steps and time.monotonic() > steps[0][0]:
            _, number = steps.pop(0)
            for child in remaining:
                child.signal(number, group=True)
        time.sleep(0.02)


def remove(leftovers: Iterable[str]) -> None:
    """Delete files, and folders with what is in them."""
    for path in map(Path, leftovers):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def say(line: str) -> None:
    """Print a line; a terminal that is gone is no reason to stop half way."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def terminals_of_parent() -> select.poll:
    """Reports when the terminal is closed, where the kernel tells only our parent: `make`, started by no shell.

    That keeps the signal to itself and waits for us.
    """
    poll = select.poll()
    if os.getsid(0) == os.getppid() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # ignored by nohup
        for descriptor in filter(os.isatty, range(3)):
            poll.register(descriptor, 0)
    return poll


class Wakeup:
    """Sleeps until a signal comes; remembers whether one of them was to stop."""

    def __init__(self) -> None:
        self._poll = terminals_of_parent()
        self._pipe, writer = os.pipe()
        self._poll.register(self._pipe, select.POLLIN)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.is_stopping = False
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored by nohup
                signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def sleep(self, seconds: float) -> None:
        """Return at the next signal, or after `seconds`."""
        for descriptor, _ in self._poll.poll(1000 * seconds):
            if descriptor == self._pipe:
                os.read(self._pipe, 1000)
            else:
                self.is_stopping = True

    def _stop(self, *_: object) -> None:
        self.is_stopping = True


def watch(children: Sequence[Child]) -> int:
    """Watch until told to stop or until something ends unexpectedly; stops everything, and returns the exit code."""
    wakeup = Wakeup()
    failure = None
    while not wakeup.is_stopping and failure is None:
        for child in children:
            if child.has_ended():
                failure = restart(child) if child.restart_command else f"{child.name} ended unexpectedly{_with(child)}"
            if failure:
                break
            rotate(Path(child.folder, "log"))
        else:
            wakeup.sleep(60)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if failure is None:
        say(f"\nStopping; a run in progress has {RUNS_SECONDS:.0f} s to finish.")
    stop_all(children, say)
    if failure:
        with contextlib.suppress(OSError):
            print(f"error: {failure}", file=sys.stderr, flush=True)
        return os.EX_TEMPFAIL
    say("Everything is stopped; the data is kept in .local.")
    return 0


def restart(child: Child) -> str | None:
    """Start again what ended unexpectedly; says why not if it does so all the time."""
    now = time.monotonic()
    child.restarts = [*(each for each in child.restarts if each > now - _RESTARTS_WITHIN_SECONDS), now]
    if len(child.restarts) > _RESTARTS:
        return f"{child.name} ended {_RESTARTS} times in ten minutes{_with(child)}"
    child.signal(signal.SIGKILL, group=True)  # its runs, which nobody would know any more
    say(f"  {child.name} ended unexpectedly with code {child.code}; it is started again.")
    pid = spawn(
        Path(child.folder),
        child.restart_command or [],
        os.environ,
        Path(child.working_folder),
        stop_signal=child.stop_signal,
    )
    child.pid, child.code = pid, None
    return None


def _with(child: Child) -> str:
    return f" with code {child.code}, so everything is stopped. See {child.folder}/log"


def become(children: Sequence[Child], state: Path, last_check: Callable[[], None] = lambda: None) -> NoReturn:
    """Replace this process with one that watches `children`. Does not return, unless `last_check` raises an exception.

    A signal that comes after `last_check` waits until the new program handles it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    last_check()
    state.write_text(json.dumps([asdict(child) for child in children]))
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: the modules beside this file are not to be found by the names of the standard library's.
    os.execv(sys.executable, [sys.executable, "-P", __file__, str(state)])  # noqa: S606


if __name__ == "__main__":
    sys.exit(watch([Child(**each) for each in json.loads(Path(sys.argv[1]).read_text())]))
