"""`strava-assets archive`, as a person uses it who has an export, and neither application nor login."""

import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from strava_assets.cli.main import main
from strava_assets.defs.names import Names
from strava_assets.mirror.database import engine_for
from strava_assets.provisioning import create_dagster_storage, create_database, migrate
from strava_assets.settings import Settings
from strava_assets_tests.archive.exports import ExportFile, activities
from strava_assets_tests.equality import rows

SECRET = (b"secret friend", b"192.0.2.1", b"somebody@example.org")


@pytest.fixture
def without_application(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Servers and tables, but no API application; Strava answers nowhere."""
    for name in ("STRAVA_CLIENT_ID", "STRAVA_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("STRAVA_BASE_URL", "http://127.0.0.1:1")
    migrate(Settings.from_environment().database_url)
    return environment


def run(*arguments: object, code: int = 0, **options: Any) -> str:
    result: Result = CliRunner().invoke(main, ["archive", *map(str, arguments)], **options)
    assert result.exit_code == code, result.output
    return result.output


def objects(environment: dict[str, str]) -> dict[str, bytes]:
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    listed = client.list_objects_v2(Bucket=environment["S3_BUCKET"]).get("Contents", [])
    return {
        each["Key"]: client.get_object(Bucket=environment["S3_BUCKET"], Key=each["Key"])["Body"].read()
        for each in listed
    }


@pytest.mark.slow
def test_a_zip_becomes_rows_and_objects_without_application_or_login(
    without_application: dict[str, str], tmp_path: Path
):
    export = ExportFile(of := activities(), language="de")
    shown = run("import", export.zip(tmp_path / "export_42.zip"))
    assert "export_42.zip: athlete 42, German, 103 columns, up to 2021" in shown
    assert f"{len(of)} rows read: {len(of)} new, 0 filled, 0 already known from the API, 0 rejected" in shown
    assert "1 media" in shown
    assert "belong to a simulated Strava" in shown
    assert "strava-assets up --archive export_1234.zip" in shown  # in a checkout: make up ARCHIVE=...
    assert rows(without_application).keys() == {each["id"] for each in of}
    kept = objects(without_application)
    assert {key.split("/")[:3][2] for key in kept} == {"archive"}
    assert {key.rpartition("/")[2]: content for key, content in kept.items()} == {
        "activities.csv": export.csv(),
        "bikes.csv": export.files()["bikes.csv"],
    }
    assert all(len(key.split("/")[3]) == 12 for key in kept)
    assert not any(secret in content for content in kept.values() for secret in SECRET)


@pytest.mark.usefixtures("without_application")
def test_an_import_is_shown_in_dagster_as_both_assets_of_it_and_as_no_hour(dagster_home: Path):
    export = ExportFile(of := activities(80))
    export.change_rows = lambda every: [every[0][:9], *every[1:]]
    create_database(Settings.from_environment().dagster_postgres_url)
    create_dagster_storage(Settings.from_environment().dagster_postgres_url)
    run("import", export.folder(dagster_home / "export_42"), "--with-files")
    names = Names()
    with dg.DagsterInstance.get() as instance:
        raw, table, hours = (
            instance.get_latest_materialization_event(key)
            for key in (names.raw_archive, names.strava_archive, names.raw_activities)
        )
        assert hours is None
        assert raw
        assert raw.asset_materialization
        assert raw.asset_materialization.metadata["rows"].value == len(of)
        assert table
        assert table.asset_materialization
        assert table.asset_materialization.metadata["inserted"].value == len(of) - 1
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(names.strava_archive, "no_archive_rejects"), limit=5
        )
        assert [record.status.value for record in records] == ["FAILED"]


def test_no_purge_begins_before_an_import_is_recorded(
    without_application: dict[str, str], dagster_home: Path, tmp_path: Path
):
    assert dagster_home
    settings = Settings.from_environment()
    create_database(settings.dagster_postgres_url)
    create_dagster_storage(settings.dagster_postgres_url)
    path = ExportFile(activities()).zip(tmp_path / "export_42.zip")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'event_logs'::regclass")
    purge = text("SELECT pg_try_advisory_lock(hashtextextended('strava_athlete', 42))")
    dagster = create_engine(settings.dagster_postgres_url)
    with ThreadPoolExecutor() as pool, dagster.begin() as blocking:
        blocking.exec_driver_sql("LOCK TABLE event_logs IN EXCLUSIVE MODE")
        imported = pool.submit(run, "import", path)
        for _ in range(600):
            if imported.done() or blocking.execute(waiting).scalar():
                break
            time.sleep(0.1)
        with engine_for(settings.database_url).connect() as connection:
            assert connection.execute(purge).scalar() is False
        assert rows(without_application)
        blocking.commit()
        assert "new" in imported.result()
    dagster.dispose()


@pytest.mark.slow
def test_recordings_are_copied_if_requested_and_only_once(without_application: dict[str, str], tmp_path: Path):
    export = ExportFile(activities(), prefix="export_42/")
    path = export.zip(tmp_path / "again.zip")
    tracks = {name: content for name, content in export.files().items() if name.startswith("activities/")}
    assert f"recordings: {len(tracks)} copied" in run("import", path, "--with-files")
    kept = {"/".join(key.split("/")[4:]): content for key, content in objects(without_application).items()}
    assert {name: content for name, content in kept.items() if "/" in name} == tracks
    assert f"recordings: 0 copied (0.0 MB), {len(tracks)} were there" in run("import", path, "--with-files")
    assert f"{len(activities())} unchanged" in run("import", path)


@pytest.mark.slow
def test_a_damaged_recording_is_reported_and_the_others_are_kept(without_application: dict[str, str], tmp_path: Path):
    export = ExportFile(activities())
    path = export.zip(tmp_path / "export.zip")
    names = sorted(name for name in export.files() if name.startswith("activities/"))
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(names[0]).header_offset
    data = bytearray(path.read_bytes())
    data[at + 30 + len(names[0]) : at + 36 + len(names[0])] = b"broken"
    path.write_bytes(data)
    shown = run("import", path, "--with-files")
    assert f"recordings: {len(names) - 1} copied" in shown
    assert f"warning: {names[0]} in export.zip cannot be read" in shown
    assert len(rows(without_application)) == len(activities())


def test_a_dry_run_says_the_same_and_writes_nothing(without_application: dict[str, str], tmp_path: Path):
    path = ExportFile(activities()).folder(tmp_path / "export_42")
    told = run("import", path, "--dry-run", "--with-files")
    assert "Nothing was written: this was a dry run." in told
    assert objects(without_application) == {}
    assert rows(without_application) == {}
    assert run("import", path).splitlines()[:2] == told.splitlines()[:2]


def test_whatever_is_wrong_with_an_export_is_reported_in_one_line_and_nothing_is_written(
    without_application: dict[str, str], tmp_path: Path
):
    export = ExportFile(activities())
    (tmp_path / "empty.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "strange.zip", "w") as archive:
        archive.writestr("activities.csv", "colour,size\nred,1\n")
        archive.writestr("profile.csv", "id\n42\n")
    bad = {
        tmp_path / "empty.zip": "is not a zip file",
        tmp_path / "strange.zip": "Please report its header: colour, size",
        tmp_path / "none.zip": "cannot be read: No such file",
        ExportFile(export.activities, has_profile=False).zip(tmp_path / "nobody.zip"): "--athlete ID",
    }
    for path, message in bad.items():
        shown = run("import", path, code=1)
        assert message in shown
        assert shown.startswith("error: ")
        assert shown.count("\n") == 1
    assert "of athlete 42, not 7" in run("import", export.zip(tmp_path / "e.zip"), "--athlete", 7, code=1)
    assert objects(without_application) == {}
    assert rows(without_application) == {}


@pytest.mark.slow
def test_what_an_earlier_try_left_behind_does_no_harm(without_application: dict[str, str], tmp_path: Path):
    path = ExportFile(activities()).zip(tmp_path / "export_42.zip")
    run("import", path)
    with boto3_of(without_application) as client:
        (key,) = (key for key in objects(without_application) if key.endswith("activities.csv"))
        client.delete_object(Bucket=without_application["S3_BUCKET"], Key=key)
    assert "60 unchanged" in run("import", path)
    assert key in objects(without_application)


def boto3_of(environment: dict[str, str]) -> Any:
    from contextlib import closing

    return closing(boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]))


@pytest.mark.slow
def test_archives_are_listed_and_deleted_and_what_others_have_stays(
    without_application: dict[str, str], tmp_path: Path
):
    assert "No export was imported yet" in run("list")
    of = activities(50)
    run("import", ExportFile([{**each, "name": "old"} for each in of[:40]]).zip(tmp_path / "old.zip"))
    run("import", ExportFile([{**each, "name": "new"} for each in of[10:]]).zip(tmp_path / "new.zip"))
    listed = run("list")
    (new,) = (line.split()[0] for line in listed.splitlines() if "new.zip" in line)
    assert "English, 103 columns" in listed
    assert "No archives begin with 'zzz'" in run("delete", "zzz", code=78)
    assert "Aborted" in run("delete", new[:6], code=1, input="n\n")
    assert "Deleted 2 objects and 10 rows." in run("delete", new[:6], "--yes")
    assert {row["name"] for row in rows(without_application).values()} == {"old"}
    assert len(rows(without_application)) == 40
    assert not any(new in key for key in objects(without_application))
    assert new not in run("list")


@pytest.mark.slow
def test_rows_that_strava_does_not_list_are_deleted_on_request_and_stay_away(
    without_application: dict[str, str], tmp_path: Path
):
    from strava_assets_tests.archive.rows import hour_of, refresh

    of = activities(30)
    path = ExportFile(of).zip(tmp_path / "export_42.zip")
    run("import", path)
    assert "lists every activity" in run("delete", "--not-on-strava")
    engine = create_engine(Settings.from_environment().database_url)
    refresh(engine, of[1:], [hour_of(each) for each in of])
    engine.dispose()
    assert "Delete 1 activities" in run("delete", "--not-on-strava", code=1, input="n\n")
    assert "Deleted 1 activities." in run("delete", "--not-on-strava", "--yes")
    assert "29 already known from the API, 1 deleted on Strava and left out" in run("import", path)
    assert of[0]["id"] not in rows(without_application)
    assert json.dumps(sorted(rows(without_application))) == json.dumps(sorted(each["id"] for each in of[1:]))


@pytest.mark.slow
def test_doctor_says_that_an_archive_without_an_application_is_fine(
    without_application: dict[str, str], tmp_path: Path
):
    create_database(Settings.from_environment().dagster_postgres_url)
    before = CliRunner().invoke(main, ["doctor"])
    assert before.exit_code == 1
    assert "STRAVA_CLIENT_ID is not set" in before.output
    assert "Or go without: strava-assets archive import" in before.output
    run("import", ExportFile(activities()).zip(tmp_path / "export_42.zip"))
    after = CliRunner().invoke(main, ["doctor"])
    assert after.exit_code == 0, after.output
    assert "ok   settings: no API application, which is fine: bulk exports are imported (1)" in after.output
    assert "Strava:" not in after.output
    assert rows(without_application)


@pytest.mark.slow
def test_a_purge_takes_rows_objects_recordings_and_what_dagster_shows(
    without_application: dict[str, str], dagster_home: Path
):
    create_database(Settings.from_environment().dagster_postgres_url)
    create_dagster_storage(Settings.from_environment().dagster_postgres_url)
    run("import", ExportFile(activities()).folder(dagster_home / "export_42"), "--with-files")
    run("import", ExportFile(activities(20, athlete_id=43), athlete_id=43).zip(dagster_home / "other.zip"))
    purged = CliRunner().invoke(main, ["purge", "--athlete", "42", "--yes"])
    assert purged.exit_code == 0, purged.output
    assert rows(without_application).keys() == {each["id"] for each in activities(20, athlete_id=43)}
    assert {key.split("/")[1] for key in objects(without_application)} == {"43"}
    engine = create_engine(Settings.from_environment().dagster_postgres_url)
    with engine.connect() as connection:
        kept = "".join(connection.execute(text("SELECT event FROM event_logs")).scalars())
    engine.dispose()
    assert "export_43" in kept
    assert "export_42" not in kept
    assert "/42/archive" not in kept


@pytest.mark.slow
def test_backup_and_restore_carry_exports(without_application: dict[str, str], dagster_home: Path, bucket: str):
    create_database(Settings.from_environment().dagster_postgres_url)
    create_dagster_storage(Settings.from_environment().dagster_postgres_url)
    run("import", ExportFile(activities()).folder(dagster_home / "export_42"), "--with-files")
    tables = ("strava_activity", "strava_archive", "strava_archive_activity")
    before = {table: archived(table) for table in tables}, objects(without_application)
    saved = CliRunner().invoke(main, ["backup", str(dagster_home / "backup")])
    assert saved.exit_code == 0, saved.output
    url = Settings.from_environment().database_url
    for name in (str(url.database), f"{url.database}_dagster"):
        engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
    engine_for.cache_clear()
    s3 = boto3.resource("s3", endpoint_url=without_application["AWS_ENDPOINT_URL_S3"])
    s3.Bucket(bucket).objects.delete()
    restored = CliRunner().invoke(main, ["restore", str(dagster_home / "backup")])
    assert restored.exit_code == 0, restored.output
    assert ({table: archived(table) for table in tables}, objects(without_application)) == before


def archived(table: str) -> list[tuple[Any, ...]]:
    engine = create_engine(Settings.from_environment().database_url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]
    engine.dispose()
    return found
