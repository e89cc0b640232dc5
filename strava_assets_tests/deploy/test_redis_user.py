"""The Redis user of the webhook receiver, as docker-compose.yaml makes it, on a real server."""

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import yaml
from redis.asyncio import Redis as AsyncRedis

from strava_assets.local.free_ports import free_ports
from strava_assets.local.redis_programs import redis_programs
from strava_assets.state import keys
from strava_assets.webhooks.event_writer import EventWriter
from strava_assets.webhooks.events import posted
from strava_assets.webhooks.identity import REFUSED, WebhookIdentity

COMPOSE = Path(__file__).parents[2] / "docker-compose.yaml"
EVENT = (
    b'{"object_type":"activity","object_id":1,"aspect_type":"create","owner_id":42,"subscription_id":7,"event_time":1}'
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis with compose's configuration and a token in it."""
    script = yaml.safe_load(COMPOSE.read_text())["services"]["redis"]["command"][2].replace("$$", "$")
    found = re.search(r"<<END\n(.*?)END", script, re.S)
    assert found
    (number,) = free_ports(1)
    folder = tmp_path_factory.mktemp("redis")
    configuration = found[1].replace("$REDIS_PASSWORD", "root").replace("$WEBHOOK_PASSWORD", "hook")
    configuration = configuration.replace("dir /data", f"dir {folder}") + f"bind 127.0.0.1\nport {number}\n"
    server = subprocess.Popen([redis_programs()[0], "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=folder)
    assert server.stdin
    server.stdin.write(configuration.encode())
    server.stdin.close()
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                redis.Redis(port=number, password="root").set("STRAVA_TOKEN", "secret")
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield number
    finally:
        server.terminate()
        server.wait(120)


def test_it_can_do_what_the_receiver_does(port: int):
    receiver = redis.Redis(port=port, username="webhook", password="hook")
    assert receiver.ping()
    identity = WebhookIdentity(receiver, "")
    assert identity.path()
    assert identity.verify_token()
    receiver.hincrby(keys.WEBHOOK, REFUSED, 1)
    event = posted(EVENT).event

    async def write() -> None:
        async with AsyncRedis(port=port, username="webhook", password="hook") as client:
            assert await client.hgetall(keys.WEBHOOK)
            await EventWriter(client).write(event)

    asyncio.run(write())
    assert redis.Redis(port=port, password="root").xlen(keys.EVENTS) == 1


@pytest.mark.parametrize(
    "command",
    [
        "GET STRAVA_TOKEN",
        "HGET STRAVA_TOKEN x",
        "XADD STRAVA_TOKEN * a b",
        "KEYS *",
        "SCAN 0",
        f"XRANGE {keys.EVENTS} - +",
        f"DEL {keys.EVENTS}",
        f"DEL {keys.WEBHOOK}",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "EVAL return(1) 0",
        "DUMP STRAVA_TOKEN",
        "MONITOR",
        "CLIENT LIST",
        "SAVE",
        "SUBSCRIBE x",
        "PUBLISH x y",
    ],
)
def test_it_can_do_nothing_else(port: int, command: str):
    receiver = redis.Redis(port=port, username="webhook", password="hook")
    with pytest.raises(redis.exceptions.NoPermissionError):
        receiver.execute_command(*command.split())  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_nobody_gets_in_without_a_password(port: int):
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
