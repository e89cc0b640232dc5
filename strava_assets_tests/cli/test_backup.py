"""A backup restored elsewhere is the same platform."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.cli import backup
from strava_assets.cli.main import main
from strava_assets.cli.postgres_tools import dump, restore
from strava_assets.provisioning import create_database, initialise
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("dagster_home")]


def strava_assets(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def everything(environment: dict[str, str]) -> tuple[list[Any], list[Any], dict[str, bytes]]:
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.connect() as connection:
        rows = list(connection.execute(text("SELECT * FROM strava_activity ORDER BY id")).all())
        rejects = list(connection.execute(text("SELECT * FROM strava_activity_reject ORDER BY id")).all())
    engine.dispose()
    bucket = boto3.resource("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]).Bucket(environment["S3_BUCKET"])
    return rows, rejects, {each.key: each.get()["Body"].read() for each in bucket.objects.all()}


def empty(environment: dict[str, str]) -> None:
    engine = create_engine(make_url(environment["DATABASE_URL"]), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        dagster = make_url(environment["DAGSTER_POSTGRES_URL"]).database
        connection.execute(text(f'DROP DATABASE "{dagster}" WITH (FORCE)'))
    engine.dispose()
    boto3.resource("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]).Bucket(
        environment["S3_BUCKET"]
    ).objects.delete()
    Redis.from_url(environment["REDIS_URL"]).flushdb()


@pytest.fixture
def token(environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of an athlete with some history, imported, and one activity that is invalid."""
    monkeypatch.setenv("STRAVA_START_DATE", simulation.now().strftime("%Y-%m-01"))
    for _ in initialise(Settings.from_environment()):
        pass
    simulation.add_athlete(42, years=0.02, per_year=2000)
    simulation.add_activity(42, distance="far", start_date=simulation.now().strftime("%Y-%m-%dT%H:00:00Z"))
    token = json.dumps(simulation.grant(42))
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", token)
    strava_assets("import")
    return token


def stored_token(environment: dict[str, str]) -> Any:
    return json.loads(Redis.from_url(environment["REDIS_URL"]).get("STRAVA_TOKEN") or b"")


def test_a_backup_restored_into_empty_servers_is_the_same_mirror(
    environment: dict[str, str], token: str, tmp_path: Path
):
    before = everything(environment)
    assert len(before[0]) > 5
    assert len(before[1]) == 1

    folder = tmp_path / "backup"
    assert "2 databases" in strava_assets("backup", str(folder))
    assert not [each for each in [folder, *folder.rglob("*")] if each.stat().st_mode & 0o077]
    refused = CliRunner().invoke(main, ["restore", str(folder)])
    assert refused.exit_code == 78
    assert f"There are already {len(before[0])} rows of strava_activity" in refused.stderr
    assert "--replace" in refused.stderr
    assert everything(environment) == before

    empty(environment)
    strava_assets("restore", str(folder))
    assert everything(environment) == before
    assert stored_token(environment) == json.loads(token)
    assert "nothing differs" in strava_assets("reconcile")


def test_databases_can_be_dumped_and_restored_by_the_servers_own_tools(
    environment: dict[str, str], token: str, tmp_path: Path
):
    before, folder = everything(environment), tmp_path / "backup"
    assert "0 databases" in strava_assets("backup", "--without-databases", str(folder))
    urls = [make_url(environment[name]) for name in ("DATABASE_URL", "DAGSTER_POSTGRES_URL")]
    for url in urls:
        dump(url, folder / "databases" / f"{url.database}.dump")

    empty(environment)
    for url in urls:
        create_database(url)
        restore(url, folder / "databases" / f"{url.database}.dump")
    strava_assets("restore", "--without-databases", str(folder))
    assert everything(environment) == before
    assert stored_token(environment) == json.loads(token)


def test_a_backup_is_restored_into_a_platform_that_was_just_made(
    environment: dict[str, str], token: str, tmp_path: Path
):
    before, folder = everything(environment), tmp_path / "backup"
    strava_assets("backup", str(folder))
    empty(environment)
    strava_assets("init")
    assert "2 databases" in strava_assets("restore", str(folder))
    assert everything(environment) == before
    assert stored_token(environment) == json.loads(token)


def test_a_backup_takes_the_place_of_other_data_and_keeps_the_newer_login(
    environment: dict[str, str], token: str, simulation: Simulation, tmp_path: Path
):
    before, folder = everything(environment), tmp_path / "backup"
    strava_assets("backup", str(folder))
    simulation.add_activity(42, start_date=simulation.now().strftime("%Y-%m-%dT%H:%M:00Z"))
    strava_assets("import")
    newer = json.dumps({**json.loads(token), "kept": True})
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", newer)
    assert everything(environment) != before

    declined = CliRunner().invoke(main, ["restore", "--replace", str(folder)], input="n\n")
    assert "Delete" in declined.stdout
    assert everything(environment) != before
    for _ in range(2):
        said = strava_assets("restore", "--replace", "--yes", str(folder))
        assert "0 logins are restored. 1 login of the backup is there already and was kept." in said
        assert everything(environment) == before
    assert stored_token(environment) == json.loads(newer)


@pytest.fixture
def shared_database(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One database for both, in a schema of its own, under two spellings of its URL."""
    schema = {"options": "-c search_path=sport"}
    url = make_url(environment["DATABASE_URL"])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA sport"))
    engine.dispose()
    for name, spelled in {
        "DATABASE_URL": url.update_query_dict(schema),
        "DAGSTER_POSTGRES_URL": url.set(database="").update_query_dict({**schema, "dbname": str(url.database)}),
    }.items():
        monkeypatch.setenv(name, spelled.render_as_string(hide_password=False))
        environment[name] = spelled.render_as_string(hide_password=False)
    return environment


def test_one_database_for_both_in_a_schema_of_its_own_is_saved_and_restored_once(
    shared_database: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
):
    request.getfixturevalue("token")  # only now, since it imports into the databases that are set
    before, folder = everything(shared_database), tmp_path / "backup"
    assert "1 database, " in strava_assets("backup", str(folder))
    for _ in range(2):
        assert "1 database, " in strava_assets("restore", "--replace", "--yes", str(folder))
        assert everything(shared_database) == before
    shown = subprocess.run(
        [sys.executable, "-m", "strava_assets", "psql", "--dagster", "-c", "SHOW search_path", "--tuples-only"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.strip() == "sport"


@pytest.mark.usefixtures("token")
def test_a_damaged_dump_changes_nothing(environment: dict[str, str], tmp_path: Path):
    before, folder = everything(environment), tmp_path / "backup"
    strava_assets("backup", str(folder))
    file = folder / "databases" / "mirror.dump"
    file.write_bytes(file.read_bytes()[:-2000])
    result = CliRunner().invoke(main, ["restore", "--replace", "--yes", str(folder)])
    assert result.exit_code == 75
    assert "Traceback" not in result.output
    assert everything(environment) == before


@pytest.mark.usefixtures("token")
def test_a_database_with_tables_of_something_else_is_left_alone(environment: dict[str, str], tmp_path: Path):
    strava_assets("backup", str(tmp_path / "backup"))
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id int)"))
    engine.dispose()
    result = CliRunner().invoke(main, ["restore", "--replace", "--yes", str(tmp_path / "backup")])
    assert result.exit_code == 78
    assert "somebody_elses" in result.stderr


def test_a_bucket_with_newer_objects_is_not_overwritten_though_the_databases_are_empty(
    environment: dict[str, str], token: str, tmp_path: Path
):
    assert token
    folder = tmp_path / "backup"
    strava_assets("backup", str(folder))
    empty(environment)
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    newer = next((folder / "objects").rglob("*.json")).relative_to(folder / "objects").as_posix()
    client.put_object(Bucket=environment["S3_BUCKET"], Key=newer, Body=b"[]")
    refused = CliRunner().invoke(main, ["restore", str(folder)])
    assert refused.exit_code == 78
    assert "1 raw object that the backup has not" in refused.stderr
    (left,) = (
        boto3.resource("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
        .Bucket(environment["S3_BUCKET"])
        .objects.all()
    )
    assert left.get()["Body"].read() == b"[]"


def test_objects_that_change_or_vanish_during_a_backup_are_saved_as_they_are_at_its_end(
    environment: dict[str, str], token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert token
    keys = sorted(everything(environment)[2])
    bucket = boto3.resource("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]).Bucket(environment["S3_BUCKET"])
    save = backup._save

    def save_while_something_writes(client: Any, name: str, key: str, target: Path) -> str:
        saved = save(client, name, key, target)
        if key == keys[-1]:
            bucket.put_object(Key=keys[0], Body=b"[]")
            bucket.Object(keys[1]).delete()
        return saved

    monkeypatch.setattr(backup, "_save", save_while_something_writes)
    folder = tmp_path / "backup"
    strava_assets("backup", str(folder))
    files = [file for file in (folder / "objects").rglob("*") if file.is_file()]
    saved = {file.relative_to(folder / "objects").as_posix(): file.read_bytes() for file in files}
    assert saved == everything(environment)[2]
    assert saved[keys[0]] == b"[]"


def test_a_backup_that_finds_none_of_the_objects_fails(
    environment: dict[str, str], token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert token
    assert environment
    monkeypatch.setenv("S3_PREFIX", "elsewhere")
    refused = CliRunner().invoke(main, ["backup", str(tmp_path / "backup")])
    assert refused.exit_code == 78
    assert "has none under 'elsewhere': none was saved." in refused.stderr
    assert not (tmp_path / "backup").exists()


KILLED = """
import os, sys
from strava_assets.cli import backup
from strava_assets.cli.main import main
save, count = backup._save, int(sys.argv.pop())
def save_until_killed(client, name, key, target):
    global count
    count -= 1
    return save(client, name, key, target) if count else os._exit(9)
backup._save = save_until_killed
main()
"""


def test_what_a_killed_backup_left_is_not_restored(environment: dict[str, str], token: str, tmp_path: Path):
    """It would look whole: both databases, and some of the objects."""
    assert token
    before = everything(environment)
    folder = tmp_path / "backup"
    command = [sys.executable, "-c", KILLED, "backup", str(folder), str(len(before[2]) // 2)]
    assert subprocess.run(command, check=False).returncode == 9
    refused = CliRunner().invoke(main, ["restore", "--replace", "--yes", str(folder)])
    assert refused.exit_code == 78
    assert f"The backup in {folder} was interrupted" in refused.stderr
    assert everything(environment) == before
    (folder / "unfinished").unlink()
    strava_assets("restore", "--replace", "--yes", str(folder))
