"""The assets of bulk exports, in real runs on an ephemeral instance."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from sqlalchemy import create_engine

from strava_assets.defs.archive import make_archive_assets
from strava_assets.defs.names import Names
from strava_assets.defs.resources import registered
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.archive import archives
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.mirror.differences import Differences
from strava_assets.provisioning import migrate
from strava_assets.services import open_client, open_engine, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.sync.compare import make_comparer
from strava_assets_tests.archive.exports import ExportFile, activities
from strava_assets_tests.archive.rows import hour_of
from strava_assets_tests.athletes import log_in
from strava_assets_tests.dagster_runs import checks, metadata, problem
from strava_assets_tests.dagster_runs import run as run_hours
from strava_assets_tests.equality import expected_rows, rows


@pytest.fixture(autouse=True)
def _tables(environment: dict[str, str]) -> None:
    assert environment
    migrate(Settings.from_environment().database_url)


def run(instance: dg.DagsterInstance | None = None, **config: Any) -> dg.ExecuteInProcessResult:
    settings, names = Settings.from_environment(), Names()
    return dg.materialize(
        make_archive_assets(settings, names),
        resources=registered(settings, names),
        run_config={"ops": {"raw_archive": {"config": config}}} if config else None,
        raise_on_error=False,
        instance=instance,
    )


def test_an_export_named_by_its_path_becomes_objects_and_rows(environment: dict[str, str], tmp_path: Path):
    of = activities()
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(instance, path=str(ExportFile(of, language="fr").zip(tmp_path / "export_42.zip")), with_files=True)
        assert result.success
        assert not instance.get_materialized_partitions(Names().raw_activities)
        assert instance.get_latest_materialization_event(Names().raw_activities) is None
    activity = metadata(result, "raw_archive")
    assert (activity["language"], activity["columns"], activity["rows"]) == ("French", 103, len(of))
    assert str(activity["export_42"]).startswith("export_42.zip, archive ")
    assert str(activity["objects_42"]).startswith("s3://")
    assert activity["recordings_copied"] == sum("activities/" in name for name in ExportFile(of, language="fr").files())
    assert metadata(result, "strava_archive")["inserted"] == len(of)
    assert checks(result) == {"no_archive_rejects": (True, "Every row of every export is an activity.")}
    assert rows(environment).keys() == {each["id"] for each in of}
    with transaction(engine_for(Settings.from_environment().database_url)) as connection:
        assert [each.name for each in archives(connection)] == ["export_42.zip"]


def test_an_export_named_by_a_url_is_read_from_its_bucket(environment: dict[str, str], tmp_path: Path):
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    path = ExportFile(of := activities(), prefix="export_42/").zip(tmp_path / "export_42.zip")
    client.upload_file(str(path), environment["S3_BUCKET"], "inbox/export_42.zip")
    result = run(path=f"s3://{environment['S3_BUCKET']}/inbox/export_42.zip", with_files=True)
    assert result.success
    assert metadata(result, "strava_archive")["inserted"] == len(of)
    assert metadata(result, "raw_archive")["recordings_copied"]
    missing = run(path=f"s3://{environment['S3_BUCKET']}/inbox/other.zip")
    assert "inbox/other.zip does not exist" in problem(missing)
    assert "is not the URL of an object" in problem(run(path="s3://bucket"))


def test_without_a_path_the_tables_are_made_again_from_the_bucket(environment: dict[str, str], tmp_path: Path):
    of = activities()
    assert run(path=str(ExportFile(of).zip(tmp_path / "export_42.zip"))).success
    engine = create_engine(Settings.from_environment().database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE strava_activity, strava_archive, strava_archive_activity")
    engine.dispose()
    result = run()
    assert metadata(result, "raw_archive")["archives"] == 1
    assert metadata(result, "strava_archive")["inserted"] == len(of)
    assert rows(environment).keys() == {each["id"] for each in of}


def test_of_two_exports_of_one_day_the_last_imported_counts_when_the_tables_are_made_again(
    environment: dict[str, str], tmp_path: Path
):
    exports = [ExportFile([{**each, "name": name} for each in activities(20)]) for name in ("One", "Two")]
    exports.sort(key=lambda export: hashlib.sha256(export.csv()).hexdigest(), reverse=True)
    for export in exports:
        assert run(path=str(export.zip(tmp_path / "export_42.zip"))).success
    last = exports[-1].activities[0]["name"]
    for _ in range(2):
        assert run().success
        assert {row["name"] for row in rows(environment).values()} == {last}


def test_an_export_that_somebody_broke_in_the_bucket_keeps_no_other_from_the_tables(
    environment: dict[str, str], tmp_path: Path
):
    broken, whole = (ExportFile(activities(20)), ExportFile([{**each, "name": "Whole"} for each in activities(20)]))
    for export in (broken, whole):
        assert run(path=str(export.zip(tmp_path / "export_42.zip"))).success
    archive = hashlib.sha256(broken.csv()).hexdigest()[:12]
    boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]).put_object(
        Bucket=environment["S3_BUCKET"], Key=f"stravaact/42/archive/{archive}/activities.csv", Body=b"\x00"
    )
    engine = create_engine(Settings.from_environment().database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE strava_activity, strava_archive, strava_archive_activity")
    engine.dispose()
    result = run()
    assert f"1 of 2 exports in the bucket are not loaded: {archive}: " in problem(result)
    assert {row["name"] for row in rows(environment).values()} == {"Whole"}


def test_rejects_and_what_is_no_export_are_reported(tmp_path: Path):
    export = ExportFile(activities(80))
    export.change_rows = lambda every: [every[0][:9], *every[1:]]
    result = run(path=str(export.zip(tmp_path / "export_42.zip")))
    passed, sentence = checks(result)["no_archive_rejects"]
    assert not passed
    assert "it has 9 fields, the header 103" in str(sentence)
    assert problem(run(path=str(tmp_path / "none.zip"))).endswith("none.zip cannot be read: No such file or directory.")
    assert "is of athlete 42, not 7" in problem(run(path=str(tmp_path / "export_42.zip"), athlete_id=7))


def test_beside_the_api_each_activity_is_there_once_and_what_only_the_export_has_is_named(
    environment: dict[str, str], simulation: Simulation, tmp_path: Path
):
    last = floor_to_hour(datetime.now(UTC)) - HOUR
    of = [
        {**activity, "start_date": f"{last - number * HOUR + timedelta(minutes=7):%Y-%m-%dT%H:%M:%SZ}"}
        for number, activity in enumerate(activities(12))
    ]
    simulation.add_athlete(42)
    log_in(environment, simulation)
    for activity in of[1:]:
        simulation.add_activity(42, text=json.dumps(activity))
    assert run(path=str(ExportFile(of).zip(tmp_path / "export_42.zip"))).success
    window = Window.of(last - 8 * HOUR, last)
    result = run_hours(window)
    assert result.success
    found = rows(environment)
    assert found.keys() == {each["id"] for each in of}
    listed = expected_rows(simulation)
    for each in of:
        is_stated = each is not of[0] and hour_of(each) in window
        assert found[each["id"]]["source"] == ("api" if is_stated else "archive")
        if is_stated:
            assert found[each["id"]] == listed[each["id"]]
    results = checks(result)
    assert results["rows_match_objects"][0]
    passed, sentence = results["archived_activities_on_strava"]
    assert not passed
    assert f"Activities of bulk exports that Strava's API does not list: 1 ({of[0]['id']})" in str(sentence)


def test_after_an_export_the_comparison_finds_what_the_api_has_and_then_nothing(
    environment: dict[str, str], simulation: Simulation, tmp_path: Path
):
    now = floor_to_hour(datetime.now(UTC))
    of = [
        {**activity, "start_date": f"{now - 3 * number * HOUR - HOUR + timedelta(minutes=7):%Y-%m-%dT%H:%M:%SZ}"}
        for number, activity in enumerate(activities(20))
    ]
    simulation.add_athlete(42)
    log_in(environment, simulation)
    for activity in of[2:]:  # the first two were deleted on Strava since
        simulation.add_activity(42, text=json.dumps(activity))
    assert run(path=str(ExportFile(of).zip(tmp_path / "export_42.zip"))).success
    found = _compare()
    assert {key for kind in found.by_kind().values() for key in kind} == {activity["id"] for activity in of[2:]}
    assert run_hours(Window.of(hour_of(of[-1]), now)).success
    assert str(_compare()) == "nothing differs"
    in_table, on_strava = rows(environment), expected_rows(simulation)
    assert {key: row for key, row in in_table.items() if row["source"] == "api"} == on_strava
    assert in_table.keys() - on_strava.keys() == {activity["id"] for activity in of[:2]}


def _compare() -> Differences:
    settings, now = Settings.from_environment(), datetime.now(UTC)
    with open_client(settings) as client:
        comparer = make_comparer(client, open_store(settings), open_engine(settings), settings.max_delete_share)
        return comparer.compare(settings.hours_since(now - timedelta(days=5), now)).differences[42]
