"""What all embedded servers share: locks, logs, and being stopped whatever happened to their owner."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.postgres import Postgres
from strava_assets.local.redis import Redis
from strava_assets.local.s3 import S3
from strava_assets.local.server_process import ServerProcess

OWNER = """
import sys, time
from pathlib import Path
from strava_assets.local import supervisor
from strava_assets.local.redis import Redis
supervisor._libc = None  # as on macOS, whose kernel ends no children
server = Redis(Path(sys.argv[1]))
server.start()
print(server.process.pid, flush=True)
time.sleep(60)
"""


def test_a_server_that_outlived_its_killed_owner_is_stopped_by_the_next(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "redis")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    left_behind = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.communicate()
    assert left_behind.is_running()

    with Redis(tmp_path / "redis") as server:
        assert server.process.pid != left_behind.pid
        assert not left_behind.is_running() or left_behind.status() == psutil.STATUS_ZOMBIE


def test_a_process_with_a_stale_id_is_let_live(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        with Redis(tmp_path / "redis"):
            pass
        (tmp_path / "redis/server.lock").write_text(str(bystander.pid))
        with Redis(tmp_path / "redis"):
            pass
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def shell(tmp_path: Path, script: str, *, ready_file: str = "ready") -> ServerProcess:
    process = ServerProcess("Shell", tmp_path)
    process.acquire_folder()
    process.start(
        ["sh", "-c", script],
        environment={"PATH": os.environ["PATH"]},
        is_ready=(tmp_path / ready_file).exists,
        timeout=10,
    )
    return process


def test_a_server_that_does_not_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable) as raised:
        shell(tmp_path, "echo one; echo port is taken >&2; exit 3")
    log = tmp_path / "log"
    assert str(raised.value) == f"Shell ended with code 3 while it was starting. The end of {log}: port is taken"


@pytest.mark.slow
def test_what_a_server_started_is_let_finish_and_then_stopped_too(tmp_path: Path) -> None:
    finishing = shell(tmp_path, "trap 'exit 0' TERM; (sleep 0.5; touch finished) & touch ready; wait")
    finishing.stop(timeout=10)
    assert (tmp_path / "finished").exists()

    (tmp_path / "ready").unlink()
    finishing.release_folder()
    lingering = shell(tmp_path, "trap 'exit 0' TERM; sleep 61 & echo $! > child; touch ready; wait")
    child = psutil.Process(int((tmp_path / "child").read_text()))
    began = time.monotonic()
    lingering.stop(timeout=0.5)
    assert time.monotonic() - began < 5
    # It is killed by then; on a busy machine the kernel takes a moment to end it. A zombie is one that ended.
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() - began < 20
        time.sleep(0.05)


def test_a_server_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    deaf = shell(tmp_path, "trap '' TERM INT; touch ready; while true; do sleep 0.1; done")
    pid = deaf.pid
    deaf.stop(timeout=0.3)
    assert not psutil.pid_exists(pid)


def test_a_ctrl_c_on_the_terminal_does_not_reach_a_server(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis", durable=False) as server:
        assert os.getsid(server.process.pid) == server.process.pid


@pytest.mark.parametrize("name", [b"line\nbreak", b"latin-1 \xe9"])
@pytest.mark.parametrize("kind", [Postgres, Redis, S3])
def test_a_path_that_no_server_takes_is_refused_before_anything_is_started(
    tmp_path: Path, kind: type[Postgres | Redis | S3], name: bytes
) -> None:
    folder = tmp_path / os.fsdecode(name)
    with pytest.raises(ConfigurationError, match=r"^The path '[^\n]*\. Move the project to another folder\.$"):
        kind(folder).start()
    assert not folder.exists()
