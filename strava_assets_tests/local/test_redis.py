"""The embedded Redis."""

import os
import signal
from pathlib import Path

import psutil
import redis

from strava_assets.local.redis import Redis


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


def test_each_test_gets_an_empty_database(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
