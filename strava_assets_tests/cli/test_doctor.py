"""`strava-assets doctor`: what it says where all is well, and for each thing that can be wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import Connection, create_engine, make_url, text

from strava_assets.cli.main import main
from strava_assets.local.settings_file import FOLDER
from strava_assets.provisioning import initialise
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.simulator.limits import Limit
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import log_in
from strava_assets_tests.raw import s3_proxy
from strava_assets_tests.raw.s3_proxy import S3Proxy, access_to

pytestmark = pytest.mark.usefixtures("dagster_home")


def doctor(*options: str) -> dict[str, str]:
    """What it says, by the name of the check, each with its mark before it."""
    result = CliRunner().invoke(main, ["doctor", *options], catch_exceptions=False)
    lines = [line for line in result.stdout.splitlines() if line]
    results = {}
    for line in lines:
        mark, name, what = line[:4].strip(), *line[5:].split(": ", 1)
        results[name] = f"{mark} {what}"
    assert result.exit_code == (1 if any(each.startswith("FAIL") for each in results.values()) else 0)
    return results


@pytest.fixture
def ready(environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform with one athlete logged in."""
    monkeypatch.setenv("STRAVA_START_DATE", f"{simulation.now():%Y-%m-01}")
    list(initialise(Settings.from_environment()))
    simulation.add_athlete(42)
    log_in(environment, simulation)


@pytest.mark.usefixtures("ready")
def test_all_is_well(simulation: Simulation) -> None:
    results = doctor()
    assert list(results) == ["settings", "Redis", "tokens", "S3", "Postgres", "Dagster's storage", "Strava", "history"]
    assert not any(each.startswith("FAIL") for each in results.values())
    assert re.match(r"ok application \d+ of the simulated Strava, API at http://127\.0\.0\.1:", results["settings"])
    assert results["Strava"].startswith("ok answers for 1 athlete; ")
    assert results["S3"].startswith("ok bucket test-")
    assert results["S3"].endswith(" answers, raw objects of 0 athletes")
    assert results["history"] == f"ok nothing lies before STRAVA_START_DATE={simulation.now():%Y-%m-01}"


@pytest.mark.usefixtures("ready")
def test_what_lies_before_the_first_partition_is_counted_with_the_remedy(simulation: Simulation) -> None:
    simulation.add_activity(42, start_date="2019-05-04T10:00:00Z")
    simulation.add_activity(42, start_date="2020-05-04T10:00:00Z")
    results = doctor()["history"]
    assert results.startswith("note Athlete 42: 2 activities start before STRAVA_START_DATE=")
    assert "set STRAVA_START_DATE=2019-05-04 in .env" in results


@pytest.mark.usefixtures("ready")
def test_a_spent_rate_limit_is_told_at_once_and_is_no_fault(simulation: Simulation) -> None:
    simulation.limits.overall = simulation.limits.read = Limit(1, 1000)
    doctor()
    began = time.monotonic()
    results = doctor()
    assert time.monotonic() - began < 20
    assert results["Strava"].startswith("note ")
    assert "rate limit" in results["Strava"]
    assert results["history"].startswith("note ")


@pytest.mark.usefixtures("ready")
def test_nobody_logged_in_is_no_answer_for_every_athlete(environment: dict[str, str]) -> None:
    Redis.from_url(environment["REDIS_URL"]).delete("STRAVA_TOKEN")
    results = doctor()
    assert results["tokens"] == "FAIL nobody is logged in. Run: strava-assets login"
    assert results["Strava"] == results["history"] == "note not checked, since nobody is logged in"


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("variable", "value", "check", "words"),
    [
        ("STRAVA_CLIENT_ID", "", "settings", "STRAVA_CLIENT_ID is not set"),
        ("REDIS_URL", "redis://:hush@127.0.0.1:1/0", "Redis", "Redis at 127.0.0.1:1 does not answer"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", "S3", "S3 at http://127.0.0.1:1 does not answer"),
        ("AWS_SECRET_ACCESS_KEY", "hush", "S3", "denies access"),
        ("S3_BUCKET", "no-such-bucket", "S3", "Create it with: strava-assets init"),
        ("DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/d", "Postgres", "Postgres at 127.0.0.1:1 does not answer"),
        ("DAGSTER_POSTGRES_URL", "postgresql://u:hush@127.0.0.1:1/d", "Dagster's storage", "does not answer"),
    ],
)
def test_each_thing_that_is_wrong_is_one_line(
    variable: str, value: str, check: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    results = doctor()
    assert "hush" not in str(results)
    assert results[check].startswith("FAIL")
    assert words in results[check]


@pytest.mark.usefixtures("ready")
def test_a_missing_table_and_a_database_that_cannot_store_titles_are_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = create_engine(make_url(environment["DATABASE_URL"]), isolation_level="AUTOCOMMIT")
    name = f"{make_url(environment['DATABASE_URL']).database}_dagster"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        monkeypatch.setenv("DATABASE_URL", environment["DAGSTER_POSTGRES_URL"])
        assert "Run: strava-assets init" in doctor("--offline")["Postgres"]
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"))
    admin.dispose()
    results = doctor("--offline")
    for check in ("Postgres", "Dagster's storage"):
        assert "has the encoding LATIN1, which cannot store every title" in results[check]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("kind", [s3_proxy.without_versions, s3_proxy.deaf_to_versions])
def test_a_server_without_versions_is_reported_to_be_one(
    kind: s3_proxy.Judge, s3: dict[str, str], bucket: str, simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    RawStore(access_to(s3, bucket)).write(42, {simulation.now().replace(minute=0, second=0, microsecond=0): []})
    assert doctor("--offline")["S3"].endswith("raw objects of 1 athlete")
    with S3Proxy(s3, kind) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.settings["AWS_ENDPOINT_URL_S3"])
        assert "the server knows no versions" in doctor("--offline")["S3"]


@pytest.mark.usefixtures("environment")
def test_a_misspelt_setting_is_named_with_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRAVA_LOKBACK_DAYS", "3")
    monkeypatch.setenv("STRAVA_UI_SERVICE_HOST", "10.0.0.1")  # as Kubernetes has it for a service strava-ui
    assert doctor()["names"] == "note STRAVA_LOKBACK_DAYS is not a setting; STRAVA_LOOKBACK_DAYS is"


@pytest.mark.usefixtures("environment")
def test_where_make_up_does_not_run_that_is_all_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://u@127.0.0.1:1/d")
    results = doctor()
    assert "Redis" in results  # where nothing says that it ever ran, those of the machine are meant
    assert results["servers"].startswith("note Nothing runs in this folder: start everything in another terminal with")
    (tmp_path / FOLDER).mkdir()
    results = doctor()
    assert list(results) == ["settings", "servers"]
    assert results["servers"].startswith("FAIL Nothing runs in this folder: start everything in another terminal with")
    assert "strava-assets up" in results["servers"]
    shutil.rmtree(tmp_path / FOLDER)
    (tmp_path / "Makefile").touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    assert doctor()["servers"].endswith("with `make up`.")


@pytest.mark.usefixtures("environment")
def test_where_make_up_does_not_run_and_would_simulate_strava_no_application_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "AWS_ENDPOINT_URL_S3", "STRAVA_CLIENT_ID", "STRAVA_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    (tmp_path / FOLDER / "simulated").mkdir(parents=True)
    results = doctor()
    assert list(results) == ["settings", "servers"]
    assert results["settings"] == "note STRAVA_CLIENT_ID is not set: `strava-assets up` runs a simulated Strava"
    (tmp_path / FOLDER / "real").mkdir()
    assert doctor()["settings"] == (
        "note STRAVA_CLIENT_ID is not set: nothing is fetched from Strava, bulk exports can be imported"
    )


AUTHORIZE = """
import sys, requests
from urllib.parse import parse_qsl, urlsplit
form = [*dict(parse_qsl(urlsplit(sys.argv[1]).query)).items(), ("athlete_id", "42"), ("decision", "authorize")]
form = [(name, value) for name, value in form if name != "scope"] + [("scope", "read"), ("scope", "activity:read_all")]
requests.post(sys.argv[1].partition("?")[0], data=form).raise_for_status()  # it leads back to the command
"""
"""A person in front of Strava's page, who lets the application in."""


def follow(remedy: str, folder: Path) -> None:
    """Run the command that a line of `doctor` tells to run."""
    found = re.search(r"strava-assets (init|login)\b", remedy)
    assert found, remedy
    browser = folder / "browser.py"
    browser.write_text(AUTHORIZE)
    done = subprocess.run(
        [sys.executable, "-m", "strava_assets", found[1]],
        env={**os.environ, "BROWSER": f"{sys.executable} {browser} %s"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def without_a_login(redis: Redis, _admin: Connection, _simulation: Simulation, _patch: pytest.MonkeyPatch) -> None:
    redis.delete("STRAVA_TOKEN")


def without_a_scope(redis: Redis, _admin: Connection, simulation: Simulation, _patch: pytest.MonkeyPatch) -> None:
    redis.set("STRAVA_TOKEN", json.dumps({**simulation.grant(42, ["read"]), "scope": ["read"]}))


def revoked(_redis: Redis, _admin: Connection, simulation: Simulation, _patch: pytest.MonkeyPatch) -> None:
    simulation.revoke(42)


def without_a_bucket(_redis: Redis, _admin: Connection, _simulation: Simulation, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("S3_BUCKET", f"{os.environ['S3_BUCKET']}-new")


def without_tables(_redis: Redis, admin: Connection, _simulation: Simulation, _patch: pytest.MonkeyPatch) -> None:
    admin.execute(text("DROP SCHEMA strava_analytics CASCADE"))
    admin.execute(text("DROP SCHEMA public CASCADE"))
    admin.execute(text("CREATE SCHEMA public"))


def without_the_database(_redis: Redis, admin: Connection, _simulation: Simulation, patch: pytest.MonkeyPatch) -> None:
    without_dagsters_database(_redis, admin, _simulation, patch)
    patch.setenv("DATABASE_URL", os.environ["DAGSTER_POSTGRES_URL"])


def without_dagsters_database(
    _redis: Redis, admin: Connection, _simulation: Simulation, _patch: pytest.MonkeyPatch
) -> None:
    admin.execute(text(f"DROP DATABASE {make_url(os.environ['DAGSTER_POSTGRES_URL']).database} WITH (FORCE)"))


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (without_a_login, "tokens"),
        (without_a_scope, "tokens"),
        (revoked, "Strava"),
        (without_a_bucket, "S3"),
        (without_tables, "Postgres"),
        (without_the_database, "Postgres"),
        (without_dagsters_database, "Dagster's storage"),
    ],
)
def test_the_command_that_it_prints_repairs_what_is_wrong(
    damage: Callable[[Redis, Connection, Simulation, pytest.MonkeyPatch], None],
    check: str,
    simulation: Simulation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin = create_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        damage(Redis.from_url(os.environ["REDIS_URL"]), connection, simulation, monkeypatch)
    admin.dispose()
    found = doctor()[check]
    assert found.startswith("FAIL")
    follow(found, tmp_path)
    assert not [each for each in doctor().values() if each.startswith("FAIL")]


@pytest.mark.usefixtures("ready")
def test_settings_that_are_put_into_the_file_that_it_names_repair_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = {name: os.environ[name] for name in ("STRAVA_CLIENT_ID", "STRAVA_CLIENT_SECRET")}
    for name, value in values.items():
        monkeypatch.delenv(name)
        found = doctor("--offline")["settings"]
        assert found.startswith(f"FAIL {name} is not set.")
        assert ".env" in found
        with (tmp_path / ".env").open("a") as file:
            file.write(f"{name}={value}\n")
    assert doctor()["settings"].startswith("ok")


@pytest.mark.usefixtures("ready")
def test_a_wrong_client_secret_shows_when_a_token_has_to_be_renewed(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = Redis.from_url(environment["REDIS_URL"])
    redis.set("STRAVA_TOKEN", json.dumps({**json.loads(redis.get("STRAVA_TOKEN") or ""), "expires_at": 1}))
    with monkeypatch.context() as patched:
        patched.setenv("STRAVA_CLIENT_SECRET", "hush")
        found = doctor()["Strava"]
    assert found.startswith("FAIL")
    assert "STRAVA_CLIENT_SECRET" in found
    assert doctor()["Strava"].startswith("ok")
