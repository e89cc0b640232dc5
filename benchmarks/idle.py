"""What `strava-assets up` takes while nothing happens: memory, time of the processor, and writes. Linux alone."""

import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from benchmarks.figure import Figure
from strava_assets.local.free_ports import free_ports

MINUTES, QUICK_MINUTES = 10, 2
SETTLING_SECONDS = 180
"""Until the first report is made and the first ticks are through."""
DAY = 86_400

_POSTGRES_WROTE = text("SELECT sum(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)) FROM pg_stat_io")


@dataclass(frozen=True)
class Look:
    """What all processes have used so far, and what lies on the disk."""

    at: float
    seconds: dict[str, float]
    written: dict[str, int]
    wal: int
    tables: dict[str, int]
    files: dict[str, int]


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """Start everything in an empty folder, with a simulated athlete, let it settle, and look twice."""
    minutes = QUICK_MINUTES if quick else MINUTES
    with tempfile.TemporaryDirectory(prefix="strava-bench-") as name:
        folder = Path(name)
        (port,) = free_ports(1)
        up = subprocess.Popen(
            [sys.executable, "-u", "-m", "strava_assets", "up", "--port", str(port)],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            next(line for line in up.stdout or [] if "Logs " in line)
            time.sleep(SETTLING_SECONDS)
            first = _look(up.pid, folder)
            time.sleep(minutes * 60)
            second = _look(up.pid, folder)
            memory = _memory(up.pid)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait()
    yield from _figures(minutes, memory, first, second)


def _figures(minutes: int, memory: dict[str, float], first: Look, second: Look) -> Iterator[Figure]:
    elapsed = second.at - first.at
    total = sum(memory.values())
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(memory.items(), key=lambda each: -each[1]))
    yield Figure.at_most(f"idle: memory, proportional ({parts})", f"{total:.0f} MB", total, 450, " MB")
    used = {name: value - first.seconds.get(name, 0) for name, value in second.seconds.items()}
    share = sum(used.values()) / elapsed * 100
    parts = ", ".join(
        f"{name} {value / elapsed * 100:.1f}" for name, value in sorted(used.items(), key=lambda x: -x[1])
    )
    yield Figure.at_most(f"idle: time of one core over {minutes} minutes ({parts})", f"{share:.1f} %", share, 3, " %")
    written = {name: value - first.written.get(name, 0) for name, value in second.written.items()}
    a_day = sum(written.values()) / elapsed * DAY / 1e6
    wal = (second.wal - first.wal) / elapsed * DAY / 1e6
    parts = ", ".join(f"{name} {value / elapsed * DAY / 1e6:.0f}" for name, value in written.items() if value)
    what = f"idle: written to disk in a day at this rate ({parts}; write-ahead log {wal:.0f})"
    yield Figure.at_most(what, f"{a_day:.0f} MB", a_day, 200, " MB")
    for kind, before, after in (("tables", first.tables, second.tables), ("files", first.files, second.files)):
        grown = {name: size - before.get(name, 0) for name, size in after.items() if size > before.get(name, 0)}
        parts = ", ".join(f"{name} {size // 1024}" for name, size in sorted(grown.items(), key=lambda x: -x[1])[:8])
        growth = sum(grown.values()) / elapsed * DAY / 1e6
        yield Figure.at_most(
            f"idle: growth of {kind} in a day at this rate (kB in {minutes} minutes: {parts or 'none'})",
            f"{growth:.1f} MB",
            growth,
            200,
            " MB",
        )


def _look(pid: int, folder: Path) -> Look:
    seconds: dict[str, float] = {}
    written: dict[str, int] = {}
    for process in _processes(pid):
        name = _name(process)
        seconds[name] = seconds.get(name, 0) + sum(process.cpu_times()[:4])  # with its children that ended
        written[name] = written.get(name, 0) + process.io_counters().write_bytes
    database = _setting(folder, "DAGSTER_POSTGRES_URL")
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            wal = int(connection.scalar(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")) or 0)
            # Its own figure: the kernel's counts a page of the log as the large block of memory that it lies in.
            written["postgres"] = int(connection.scalar(_POSTGRES_WROTE) or 0)
            rows = connection.execute(
                text("SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 1")
            )
            tables: dict[str, int] = {name: int(size) for name, size in rows}
    finally:
        engine.dispose()
    files = {
        str(file.relative_to(folder / ".local")): file.stat().st_size
        for file in (folder / ".local").rglob("*")
        if file.is_file() and not file.is_relative_to(folder / ".local/simulated/postgres")
    }
    return Look(time.monotonic(), seconds, written, wal, tables, files)


def _memory(pid: int) -> dict[str, float]:
    """Proportional memory in megabytes, by what the processes are."""
    memory: dict[str, float] = {}
    for process in _processes(pid):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        size = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        memory[_name(process)] = memory.get(_name(process), 0) + size / 1024
    return memory


def _processes(pid: int) -> list[psutil.Process]:
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def _name(process: psutil.Process) -> str:
    command = " ".join(process.cmdline()[:5])
    names = ("supervisor", "dagster_server", "dagster api", "simulator", "postgres", "weed", "valkey", "redis")
    return next((name for name in names if name in command), "other")


def _setting(folder: Path, name: str) -> str:
    lines = [shlex.split(line) for line in (folder / ".local/env").read_text().splitlines()]
    return next(word.partition("=")[2] for words in lines for word in words if word.startswith(f"{name}="))
