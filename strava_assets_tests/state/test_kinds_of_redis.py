"""The project on a Redis 6.0, and with a user who has no administrator's rights."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from redis import Redis

from strava_assets.cli.main import main
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.webhooks.events import EventStream
from strava_assets_tests.state.old_redis import OldRedis, is_newer


@pytest.fixture
def old_redis(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[OldRedis]:
    with OldRedis(urlsplit(environment["REDIS_URL"]).path) as old:
        monkeypatch.setenv("REDIS_URL", old.url)
        yield old


@pytest.fixture
def hardened_user(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    path = urlsplit(environment["REDIS_URL"]).path
    with Redis.from_url(environment["REDIS_URL"]) as admin:
        admin.execute_command("ACL", "SETUSER", "hardened", "on", ">word", "~*", "&*", "+@all", "-@dangerous")
        url = f"unix://hardened:word@{path}"
        monkeypatch.setenv("REDIS_URL", url)
        yield url
        admin.execute_command("ACL", "DELUSER", "hardened")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def live(environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a platform does: renew a token, import, compare, drain events, say how it is, purge."""
    month = (simulation.now() - timedelta(days=40)).strftime("%Y-%m-01")
    monkeypatch.setenv("STRAVA_START_DATE", month)
    settings = Settings.from_environment()
    list(initialise(settings))
    simulation.add_athlete(42, years=0.05, per_year=300)
    token = simulation.grant(42)
    ended = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.set("STRAVA_TOKEN", json.dumps({**token, "expires_at": ended}))
        assert "inserted" in run("import")
        assert json.loads(redis.get("STRAVA_TOKEN") or "")["expires_at"] > ended
    assert "nothing differs" in run("reconcile")
    with Redis.from_url(settings.redis_url) as redis:
        entries = [redis.xadd("strava:events", {"event": "none of ours"}) for _ in range(3)]
        stream = EventStream(redis)
        stream.settle(stream.waiting(2)[-1].entry_id)
        assert [each.entry_id.encode() for each in stream.waiting(10)] == entries[2:]
    assert "FAIL" not in run("doctor")
    assert "Nothing is left" in run("purge", "--athlete", "42", "--yes")


@pytest.mark.slow
@pytest.mark.usefixtures("dagster_home")
def test_everything_works_on_redis_6_0(
    old_redis: OldRedis, environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(environment, simulation, monkeypatch)
    assert [each for each in old_redis.refused if not each.startswith("CLIENT")] == []


@pytest.mark.slow
@pytest.mark.usefixtures("dagster_home", "hardened_user")
def test_everything_works_without_an_administrators_rights(
    environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(environment, simulation, monkeypatch)


@pytest.mark.parametrize(
    ("ask", "is_known"),
    [
        (lambda redis: redis.set("a", "1", ex=5, nx=True), True),
        (lambda redis: redis.set("a", "1", get=True), False),
        (lambda redis: redis.xtrim("s", minid="1-1"), False),
        (lambda redis: redis.zrange("z", 0, -1, withscores=True), True),
        (lambda redis: redis.zrange("z", 0, -1, desc=True, byscore=True), False),
        (lambda redis: redis.eval("return redis.call('GETDEL', KEYS[1])", 1, "a"), False),
    ],
)
def test_the_proxy_refuses_what_6_0_does_not_know(
    redis_url: str, ask: Callable[[Redis], object], is_known: bool
) -> None:
    with OldRedis(urlsplit(redis_url).path) as old, Redis.from_url(old.url) as redis:
        if is_known:
            ask(redis)
        else:
            with pytest.raises(Exception, match="unknown command"):
                ask(redis)
    assert is_newer([b"GETEX", b"a"])
