"""What `strava-assets up` takes while nothing happens: memory, time of the processor, and writes. Linux alone.

An hour is measured, since that is what repeats: an hourly run, the daily comparison's turn, four looks for changes.
"""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
from sqlalchemy import create_engine, text

from benchmarks.figure import Figure
from strava_assets.local.free_ports import free_ports

TEN_MINUTES, QUICK_SECONDS = 600, 120
SETTLING_SECONDS = 480
"""Until the first report is made, and Postgres has cleaned up after the import."""
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
    """Start everything in an empty folder, import a simulated athlete's history, let it settle, and look on."""
    seconds, count = (QUICK_SECONDS, 1) if quick else (TEN_MINUTES, 6)
    with tempfile.TemporaryDirectory(prefix="strava-bench-") as name:
        folder = Path(name)
        (port,) = free_ports(1)
        command = [sys.executable, "-u", "-m", "strava_assets"]
        up = subprocess.Popen([*command, "up", "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            next(line for line in up.stdout or [] if "Logs " in line)
            subprocess.run([*command, "import"], cwd=folder, check=True, capture_output=True)
            time.sleep(SETTLING_SECONDS)
            looks, memories = [_look(up.pid, folder)], []
            for _ in range(count):
                time.sleep(seconds)
                looks.append(_look(up.pid, folder))
                memories.append(_memory(up.pid))
        finally:
            up.terminate()
            up.wait()
    yield from _figures(looks, max(memories, key=lambda each: sum(each.values())))


def _figures(looks: list[Look], memory: dict[str, float]) -> Iterator[Figure]:
    first, last = looks[0], looks[-1]
    elapsed = last.at - first.at
    over = f"over {elapsed / 60:.0f} minutes"
    total = sum(memory.values())
    yield Figure.at_most(
        f"idle, with a history: memory, proportional ({_parts(memory)})", f"{total:.0f} MB", total, 450, " MB"
    )
    shares = {name: value / elapsed * 100 for name, value in _grown(first.seconds, last.seconds).items()}
    share = sum(shares.values())
    yield Figure.at_most(
        f"idle: time of one core {over} ({_parts(shares, digits=1)})", f"{share:.1f} %", share, 3, " %"
    )
    written = {name: _a_day(value, elapsed) for name, value in _grown(first.written, last.written).items()}
    rates = [
        _a_day(sum(_grown(before.written, after.written).values()), after.at - before.at)
        for before, after in pairwise(looks)
    ]
    wal = _a_day(last.wal - first.wal, elapsed)
    a_day = sum(written.values())
    what = f"idle: written to disk in a day, {over} ({_parts(written)}; write-ahead log {wal:.0f}; "
    what += f"ten minutes of it at rates of {min(rates):.0f} to {max(rates):.0f})"
    yield Figure.at_most(what, f"{a_day:.0f} MB", a_day, 200, " MB")
    for kind, before, after in (("tables", first.tables, last.tables), ("files", first.files, last.files)):
        growth = {name: _a_day(value, elapsed) for name, value in _grown(before, after).items()}
        size = sum(growth.values())
        what = f"idle: growth of {kind} in a day, {over} ({_parts(growth, digits=1) or 'none'})"
        yield Figure.at_most(what, f"{size:.1f} MB", size, 200, " MB")


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """By how much each has grown."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value > before.get(name, 0)}


def _a_day(size: float, seconds: float) -> float:
    """Megabytes a day at the rate of so many bytes in so many seconds."""
    return size / seconds * DAY / 1e6


def _parts(values: dict[str, float], digits: int = 0) -> str:
    """The largest, with their names."""
    largest = sorted(values.items(), key=lambda each: -each[1])[:8]
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in largest if round(value, digits))


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
