"""The path from Strava to the table, through Dagster, on real servers."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.instance.personal_metadata import is_of_athlete
from strava_assets.mirror.activity import validate
from strava_assets.raw.activity import split_array
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.revocations import Revocations
from strava_assets_tests.dagster_runs import checks, metadata, problem, run
from strava_assets_tests.equality import expected_rows, rows

NOW = datetime.now(UTC)
HOUR_AGO = floor_to_hour(NOW) - HOUR


def start(hour: datetime, minute: int = 5) -> str:
    return (hour + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def bodies(environment: dict[str, str]) -> dict[str, str]:
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    listed = client.list_objects_v2(Bucket=environment["S3_BUCKET"]).get("Contents", [])
    return {
        each["Key"]: client.get_object(Bucket=environment["S3_BUCKET"], Key=each["Key"])["Body"].read().decode()
        for each in listed
    }


def test_an_hour_is_stored_to_the_letter_and_mirrored(strava: Simulation, environment: dict[str, str]):
    array = (
        f'{{"id": 9007199254740993, "start_date": "{start(HOUR_AGO)}", "distance": 50.0, "n": 98765432123456789123}}'
    )
    strava.add_activity(42, text=array)
    strava.add_activity(42, start_date=start(HOUR_AGO - HOUR))  # another hour's
    result = run(HOUR_AGO)
    assert result.success
    assert bodies(environment) == {f"stravaact/42/{HOUR_AGO:%Y%m%dT%H}0000.json": f"[{array}]"}
    assert rows(environment) == {
        9007199254740993: validate(split_array(f"[{array}]")[0], 42).model_dump()  # type: ignore[union-attr]
    }
    raw = metadata(result, "raw_activities")
    assert (raw["activities"], raw["objects_written"], raw["bytes_written"]) == (1, 1, len(array) + 2)
    assert raw["object_42"] == f"s3://{environment['S3_BUCKET']}/stravaact/42/{HOUR_AGO:%Y%m%dT%H}0000.json"
    table = metadata(result, "strava_activity")
    assert (table["inserted"], table["dagster/partition_row_count"], table["rejected"]) == (1, 1, 0)
    assert all(passed for passed, _ in checks(result).values())
    assert len(checks(result)) == 6


@pytest.mark.usefixtures("strava")
def test_an_hour_without_activities_costs_one_request_and_is_recorded(environment: dict[str, str]):
    result = run(HOUR_AGO)
    assert result.success
    assert list(bodies(environment).values()) == ["[]"]
    assert metadata(result, "raw_activities")["api_requests"] == 1


def test_a_range_writes_only_hours_that_say_something(strava: Simulation, environment: dict[str, str]):
    window = Window.of(HOUR_AGO - 20 * HOUR, HOUR_AGO)
    gone = strava.add_activity(42, start_date=start(HOUR_AGO - 3 * HOUR))
    strava.add_activity(42, start_date=start(HOUR_AGO - 10 * HOUR))
    assert run(window).success
    assert len(bodies(environment)) == 2
    strava.delete(gone)
    result = run(window)
    assert sorted(map(len, bodies(environment).values()))[0] == 2  # the hour is known to be empty: []
    assert rows(environment) == expected_rows(strava)
    assert metadata(result, "strava_activity")["deleted"] == 1
    assert metadata(result, "raw_activities")["objects_unchanged"] == 1


@pytest.mark.usefixtures("strava")
def test_a_row_whose_hour_has_no_object_is_recorded_as_gone(environment: dict[str, str]):
    """A row of the Airflow DAG whose activity was deleted long ago would otherwise never go."""
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO strava_activity (id, start_date) VALUES (7, :start)"), {"start": HOUR_AGO - 5 * HOUR}
        )
    assert run(Window.of(HOUR_AGO - 9 * HOUR, HOUR_AGO)).success
    assert rows(environment) == {}


def test_a_range_is_one_run_and_a_request_for_200_activities(
    strava: Simulation, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
):
    window = Window.of(HOUR_AGO - 100 * HOUR, floor_to_hour(NOW))
    for number in range(450):
        strava.add_activity(42, start_date=start(HOUR_AGO - number % 90 * HOUR, number % 60))
    result = run(window)
    assert result.success, problem(result)
    assert rows(environment) == expected_rows(strava)
    said = capfd.readouterr().err
    assert "raw_activities - Done for " in said, "a long recording would follow in silence"
    assert "activities: 450, " in said
    assert "strava_activity - Done for " in said
    assert "inserted: 450, " in said
    # ceil(450 / 200) + 1, and what the overlap of the pages costs at most
    assert metadata(result, "raw_activities")["api_requests"] in {4, 5}


def test_an_invalid_activity_is_rejected_told_and_healed(strava: Simulation, environment: dict[str, str]):
    good = strava.add_activity(42, start_date=start(HOUR_AGO))
    bad = strava.add_activity(42, start_date=start(HOUR_AGO, 6), distance="far")
    result = run(HOUR_AGO)
    assert result.success
    assert set(rows(environment)) == {good}
    assert metadata(result, "strava_activity")["rejected"] == 1
    passed, sentence = checks(result)["no_rejects"]
    assert not passed
    assert sentence == f"Invalid activities in strava_activity_reject (column errors): 1 ({bad})."
    strava.edit(bad, distance=1)
    result = run(HOUR_AGO)
    assert checks(result)["no_rejects"] == (True, "Every activity is valid.")
    assert rows(environment) == expected_rows(strava)


def test_one_athletes_error_does_not_stop_the_others(strava: Simulation, environment: dict[str, str]):
    strava.add_athlete(43)
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN:43", json.dumps(strava.grant(43)))
    mine, theirs = (strava.add_activity(athlete, start_date=start(HOUR_AGO)) for athlete in (42, 43))
    strava.revoke(42)
    result = run(HOUR_AGO)
    assert result.success
    assert set(rows(environment)) == {theirs}
    passed, sentence = checks(result)["all_athletes_fetched"]
    assert not passed
    assert sentence is not None
    assert "42" in sentence
    assert "strava-assets login" in sentence
    strava.revoke(43)
    assert not run(HOUR_AGO).success
    assert mine not in rows(environment)


@pytest.mark.parametrize("answers", [3, 99])
def test_who_was_refused_is_named_once_when_the_step_is_not_tried_again(strava: Simulation, answers: int):
    strava.faults.add(kind="status", status=401, path="/athlete/activities", count=answers)
    result = run(HOUR_AGO)
    found = [each for each in result.get_asset_check_evaluations() if each.check_name == "all_athletes_fetched"]
    assert [each.passed for each in found] == [result.success] == [answers == 3]
    assert result.success or "401 for athlete 42" in str(found[0].description)


def test_a_label_of_metadata_has_a_number_only_where_a_purge_knows_whose_it_is(
    strava: Simulation, environment: dict[str, str]
):
    strava.add_athlete(43)
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN:43", json.dumps(strava.grant(43)))
    strava.add_activity(42, start_date=start(HOUR_AGO))
    strava.revoke(43)
    made = [each for each in run(Window.of(HOUR_AGO - HOUR, HOUR_AGO)).all_events if each.is_step_materialization]
    labels = {label for event in made for label in event.materialization.metadata}
    numbered = {label for label in labels if any(map(str.isdigit, label))}
    assert numbered == {"object_42", "error_43"}
    assert {(label, each) for label in labels for each in (42, 43) if is_of_athlete(label, each)} == {
        ("object_42", 42),
        ("error_43", 43),
    }


@pytest.mark.usefixtures("strava")
def test_who_withdrew_access_is_named_until_they_are_purged(environment: dict[str, str]):
    Revocations(Redis.from_url(environment["REDIS_URL"])).mark(99, datetime(2026, 11, 1, 7, tzinfo=UTC))
    passed, sentence = checks(run(HOUR_AGO))["all_athletes_fetched"]
    assert not passed
    assert sentence == (
        "Athlete 99 withdrew access on 2026-11-01 07:00 UTC. Their data must be deleted: "
        "strava-assets purge --athlete 99"
    )


@pytest.mark.usefixtures("strava")
def test_an_hour_that_was_never_fetched_cannot_be_mirrored():
    result = run(HOUR_AGO, select="strava_activity")
    assert problem(result) == (
        f"The hour {HOUR_AGO:%Y-%m-%d-%H:00} was never fetched, so nothing is known of it. "
        "Materialise raw_activities first."
    )


def test_the_mirror_can_be_rebuilt_from_the_bucket_alone(strava: Simulation, environment: dict[str, str]):
    window = Window.of(HOUR_AGO - 30 * HOUR, HOUR_AGO)
    for hours in (1, 5, 25):
        strava.add_activity(42, start_date=start(HOUR_AGO - hours * HOUR))
    assert run(window).success
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE strava_activity"))
    requests = len(strava.requests)
    assert run(window, select="strava_activity").success
    assert rows(environment) == expected_rows(strava)
    assert len(strava.requests) == requests
