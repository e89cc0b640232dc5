"""What watches over everything: it stops in time whatever its children do, and starts again what may be."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from strava_assets.local import supervisor
from strava_assets.local.supervisor import Child, spawn, stop_all

DEAF = "trap '' TERM INT HUP; touch ready; while true; do sleep 0.1; done"
QUIET = "touch ready; exec sleep 60"


def start(folder: Path, script: str, *, is_server: bool = True) -> Child:
    folder.mkdir(exist_ok=True)
    (folder / "ready").unlink(missing_ok=True)
    command = ["sh", "-c", script]
    pid = spawn(folder, command, {"PATH": os.environ["PATH"]}, folder, stop_signal=signal.SIGTERM)
    while not (folder / "ready").exists():
        time.sleep(0.01)
    return Child(folder.name, str(folder), pid, is_server=is_server)


WATCHED = """
import os, sys
from pathlib import Path
from strava_assets.local import supervisor
children = []
for folder, restarts in zip(sys.argv[1::2], sys.argv[2::2]):
    command = ["sh", "-c", Path(folder, "script").read_text()]
    pid = supervisor.spawn(Path(folder), command, os.environ, Path(folder), stop_signal=15)
    restart = command if restarts == "yes" else None
    children.append(supervisor.Child(folder, folder, pid, restart_command=restart, working_folder=folder))
def told_to_go_on():
    # Later than here, signals wait for the new program.
    Path(sys.argv[1], "ready to be stopped").touch()
supervisor.become(children, Path(sys.argv[1], "children.json"), told_to_go_on)
"""


def watched(*parts: tuple[Path, str, bool], before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A process that starts scripts in folders and becomes their supervisor."""
    arguments = []
    for folder, script, restarts in parts:
        folder.mkdir(exist_ok=True)
        (folder / "script").write_text(script)
        arguments += [str(folder), "yes" if restarts else "no"]
    process = subprocess.Popen(
        [*before, sys.executable, "-c", WATCHED, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(parts[0][0] / "ready to be stopped")
    return process


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_everything_is_stopped_in_ten_seconds_whoever_is_deaf(tmp_path: Path) -> None:
    children = [start(tmp_path / f"deaf{n}", DEAF, is_server=n > 1) for n in range(4)]
    lines: list[str] = []
    began = time.monotonic()
    stop_all(children, lines.append)
    assert time.monotonic() - began < 10
    assert all(child.has_ended() for child in children)
    assert [line.split()[0] for line in lines[:2]] == ["deaf0", "deaf1"], "Dagster's parts before the servers"


def test_what_uses_the_servers_is_gone_before_they_are_stopped(tmp_path: Path) -> None:
    server = start(
        tmp_path / "server", "trap 'date +%s%N > ended; exit' TERM; touch ready; while true; do sleep 0.05; done"
    )
    user = start(
        tmp_path / "user",
        "trap 'sleep 0.5; date +%s%N > ended; exit' TERM; touch ready; while true; do sleep 0.05; done",
        is_server=False,
    )
    stop_all([server, user])
    ended = [int((tmp_path / name / "ended").read_text()) for name in ("user", "server")]
    assert ended == sorted(ended)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", [0, 0.02, 0.3])
def test_each_signal_to_end_stops_all(tmp_path: Path, number: signal.Signals, moment: float) -> None:
    process = watched((tmp_path / "a", QUIET, False), (tmp_path / "b", QUIET, True))
    time.sleep(moment)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.count(" is stopped (") == 2
    assert output.endswith("Everything is stopped; the data is kept in .local.\n")


def test_a_closed_terminal_ends_all_where_only_make_is_told(tmp_path: Path) -> None:
    """As the terminal's first process, make alone gets SIGHUP; it keeps that to itself and waits for us."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "script").write_text("trap 'touch ended; exit' TERM; while true; do sleep 0.1; done")
    (tmp_path / "become.py").write_text(WATCHED)
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec '{sys.executable}' become.py a no\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execvp("make", ["make", "up"])  # noqa: S606
    try:
        wait_for(tmp_path / "a/children.json")
        time.sleep(0.5)
        os.close(terminal)
        wait_for(tmp_path / "a/ended")
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def test_nohup_keeps_its_meaning(tmp_path: Path) -> None:
    process = watched((tmp_path / "a", QUIET, False), before=["nohup"])
    time.sleep(0.3)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=120)


def test_one_that_ends_by_itself_ends_all_and_is_named(tmp_path: Path) -> None:
    process = watched((tmp_path / "a", "touch ready; sleep 0.3; exit 3", False), (tmp_path / "b", QUIET, False))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 75
    log = tmp_path / "a/log"
    assert output.splitlines()[-1] == (
        f"error: {tmp_path}/a ended unexpectedly with code 3, so everything is stopped. See {log}"
    )


def test_one_that_may_is_started_again_and_given_up_where_it_never_stays(tmp_path: Path) -> None:
    process = watched((tmp_path / "a", "echo x >> starts; touch ready; sleep 0.1; exit 4", True))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert len((tmp_path / "a/starts").read_text().split()) == 6
    assert output.count("ended unexpectedly with code 4; it is started again.") == 5
    assert "ended 5 times in ten minutes" in output


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of other systems does not end the children")
def test_its_children_end_with_it_when_it_is_killed(tmp_path: Path) -> None:
    process = watched((tmp_path / "a", QUIET, False))
    pid = int((tmp_path / "a/server.lock").read_text().split()[0])
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 120
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_needs_nothing_but_the_standard_library() -> None:
    script = f"import runpy; runpy.run_path({supervisor.__file__!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


def test_a_log_that_grew_is_put_aside_while_its_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_BYTES", 1000)
    told_to_go_on = "while [ ! -e go-on ]; do sleep 0.02; done"
    child = start(tmp_path / "a", f"seq 1000; touch ready; {told_to_go_on}; echo again; touch wrote; exec sleep 60")
    log = tmp_path / "a/log"
    try:
        supervisor.rotate(log)
        assert (tmp_path / "a/log.1").stat().st_size > 1000
        (tmp_path / "a/go-on").touch()
        wait_for(tmp_path / "a/wrote")
        assert log.read_text() == "again\n", "no hole where the old end was"
    finally:
        stop_all([child])


def test_a_restart_appends_to_the_log(tmp_path: Path) -> None:
    for word in ("one", "two"):
        stop_all([start(tmp_path / "a", f"echo {word}; touch ready; exec sleep 60")])
    assert (tmp_path / "a/log").read_text() == "one\ntwo\n"
