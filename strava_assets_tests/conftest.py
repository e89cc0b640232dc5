"""The tests' servers: real ones, started once per session where a test asks for them, on free ports and sockets."""

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import hypothesis
import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.local.postgres import Postgres
from strava_assets.local.redis import Redis
from strava_assets.local.s3 import S3
from strava_assets.settings import VARIABLES
from strava_assets_tests import leaks

if TYPE_CHECKING:
    from strava_assets.simulator.simulation import Simulation
    from strava_assets_tests.proxy import Proxy

_numbers = itertools.count(1)

# `make test` takes the first, `make test-long` the second. No deadlines: real servers are slow now and then.
hypothesis.settings.register_profile("short", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=100, stateful_step_count=100)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


def pytest_configure() -> None:
    """Let a SIGTERM end the tests as Ctrl-C does: with the servers stopped."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # Below nohup, or in a shell's background, these are ignored, and what the tests start would inherit that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What `make test` says to a make that it runs is not for the tests' own.
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):
        os.environ.pop(name, None)
    leaks.listen()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look for secrets in what a test logged and printed."""
    report = yield
    leaks.look(f"the output of {item.nodeid}", "\n".join(output for _, output in report.sections))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a running `up` stays in one process; slow ones come first, so that none is left alone at the end."""
    for item in items:
        if "beginning_up" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("up"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look for secrets in every file that the tests left; one that is found fails the whole run."""
    if not session.config.pluginmanager.hasplugin("dsession"):  # else the processes that it started have done so
        leaks.look_at_files(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
    if leaks.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if (report := getattr(session.config, "workeroutput", None)) is not None:
        report["secrets"] = {"known": [word.decode() for word in leaks.known], "found": leaks.found}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one of several processes knows of secrets."""
    report = getattr(node, "workeroutput", {}).get("secrets", {"known": [], "found": {}})
    leaks.known.update(word.encode() for word in report["known"])
    leaks.found.update(report["found"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where secrets were found, and how many were looked for."""
    terminalreporter.write_line(f"{len(leaks.known)} secret words were looked for in all that the tests wrote.")
    for where, count in leaks.found.items():
        terminalreporter.write_line(f"{count} of them in {where}", red=True)


@pytest.fixture(autouse=True)
def _environment_as_it_was() -> Iterator[None]:
    """Undo what commands, which read `.env`, put into this process's environment."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Dagster remembers the storage of the instance that was opened last, even after that has ended."""
    if base := sys.modules.get("dagster._core.storage.defs_state.base"):
        with base.set_defs_state_storage(None):
            yield
    else:
        yield


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """SQLAlchemy's URL of the server's database `postgres`, as its superuser."""
    return postgres_server.url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh, empty database."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} STRATEGY WAL_LOG"))
    try:
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            for database in (name, f"{name}_dagster"):
                connection.execute(text(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis"), durable=False) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of an empty Redis database."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    return redis_server.url


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The AWS_* variables that lead to an S3 server."""
    with S3(tmp_path_factory.mktemp("s3")) as server:
        yield server.settings


@pytest.fixture
def bucket(s3: dict[str, str]) -> Iterator[str]:
    """The name of a fresh, empty bucket."""
    name = f"test-{next(_numbers)}"
    resource = boto3.resource(
        "s3",
        endpoint_url=s3["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=s3["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=s3["AWS_SECRET_ACCESS_KEY"],
        region_name=s3["AWS_DEFAULT_REGION"],
    )
    resource.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        resource.Bucket(name).object_versions.delete()
        resource.Bucket(name).objects.delete()
        resource.Bucket(name).delete()


@pytest.fixture
def simulation() -> "Simulation":
    """A simulated Strava without athletes; `environment` serves it over HTTP."""
    from strava_assets.simulator.simulation import Simulation

    return Simulation()


@pytest.fixture
def strava_url(simulation: "Simulation") -> Iterator[str]:
    """Where the simulated Strava answers: the value for STRAVA_BASE_URL."""
    from strava_assets.simulator.server import serve

    with serve(simulation) as url:
        yield url


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    simulation: "Simulation",
    strava_url: str,
    database_url: str,
    redis_url: str,
    s3: dict[str, str],
    bucket: str,
    request: pytest.FixtureRequest,
) -> Iterator[dict[str, str]]:
    """All settings in os.environ: a fresh database, bucket and Strava; Dagster's own database does not exist yet.

    The working folder is an empty one, so that no `.env` of the developer's is read. In this process what failed is
    tried again at once; other processes wait between attempts, as they do for users.
    """
    monkeypatch.setattr("strava_assets.defs.failures.RETRY_AFTER_SECONDS", 0)
    monkeypatch.setattr("strava_assets.strava.retries.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("strava_assets.strava.session.PAUSE_AFTER_REFUSAL", 0.001)
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    url = make_url(database_url)
    settings = {
        "STRAVA_CLIENT_ID": str(simulation.client_id),
        "STRAVA_CLIENT_SECRET": simulation.client_secret,
        "STRAVA_BASE_URL": strava_url,
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "DAGSTER_POSTGRES_URL": url.set(database=f"{url.database}_dagster").render_as_string(hide_password=False),
        "S3_BUCKET": bucket,
        **s3,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield settings
    leaks.look_at_servers(request.node.nodeid, settings)


@pytest.fixture
def strava(environment: dict[str, str], simulation: "Simulation") -> "Simulation":
    """One athlete, logged in, and migrated tables."""
    from strava_assets.provisioning import migrate

    migrate(make_url(environment["DATABASE_URL"]))
    simulation.add_athlete(42)
    redis.Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    return simulation


@pytest.fixture
def dagster_home(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with the project's dagster.yaml, for commands that run in this process."""
    assert environment
    shutil.copy(Path(__file__).parent.parent / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    # event_log.py sets it once a process, and each test leaves the environment as it was.
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    return tmp_path


@pytest.fixture
def ways(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, "Proxy"]]:
    """Ways to the three servers, which os.environ names instead of the servers themselves."""
    from strava_assets_tests.proxy import Proxy

    database, s3 = make_url(environment["DATABASE_URL"]), urlsplit(environment["AWS_ENDPOINT_URL_S3"])
    with ExitStack() as stack:
        ways = {
            "Postgres": stack.enter_context(Proxy(f"{database.query['host']}/.s.PGSQL.5432")),
            "Redis": stack.enter_context(Proxy(urlsplit(environment["REDIS_URL"]).path)),
            "S3": stack.enter_context(Proxy((str(s3.hostname), int(s3.port or 80)))),
        }
        for name in ("DATABASE_URL", "DAGSTER_POSTGRES_URL"):
            proxied = make_url(environment[name]).set(host="127.0.0.1", port=ways["Postgres"].port, query={})
            monkeypatch.setenv(name, proxied.render_as_string(hide_password=False))
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{ways['Redis'].port}/0")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{ways['S3'].port}")
        yield ways
