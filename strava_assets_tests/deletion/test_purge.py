"""What a purge and the retention setting delete, and what they leave."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import dagster as dg
import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.cli.dagster_runs import open_instance
from strava_assets.cli.main import main
from strava_assets.defs.build import build_definitions
from strava_assets.deletion.purge import STILL_HELD, PurgeCounts, Purger
from strava_assets.deletion.retention import DeletedByAge, delete_old_activities
from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import engine_for
from strava_assets.raw.deletion import RawDeletion
from strava_assets.services import open_deletion
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.state.purged_ids import PurgedIds
from strava_assets.state.revocations import Revocations
from strava_assets.webhooks.events import Event
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import problem, run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR
DAGSTER_YAML = Path(__file__).parent.parent.parent / "dagster.yaml"
ADA, BEN = 42, 4242


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


@pytest.fixture
def client(environment: dict[str, str]) -> "S3Client":
    return boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])


@pytest.fixture
def instance(simulation: Simulation, redis: Redis, client: "S3Client", bucket: str) -> Iterator[dg.DagsterInstance]:
    """Two athletes with an activity in the same hour, fetched into a bucket that keeps versions."""
    Path("dagster.yaml").write_text(DAGSTER_YAML.read_text())
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    for athlete_id, key in ((ADA, "STRAVA_TOKEN"), (BEN, f"STRAVA_TOKEN:{BEN}")):
        simulation.add_athlete(athlete_id)
        simulation.add_activity(athlete_id, name=f"Secret tour of {athlete_id}", start_date=at(HOUR_AGO))
        simulation.add_activity(athlete_id, distance="invalid", start_date=at(HOUR_AGO))
        redis.set(key, json.dumps(simulation.grant(athlete_id)))
    with open_instance() as opened:
        for _ in range(2):  # twice, so that there are versions
            result = run(HOUR_AGO, instance=opened)
            assert result.success, problem(result)
            simulation.add_activity(ADA, name="Another secret", start_date=at(HOUR_AGO))
        yield opened


def purger() -> Purger:
    settings = Settings.from_environment()
    return Purger(
        engine_for(settings.database_url),
        open_deletion(settings),
        Redis.from_url(settings.redis_url),
        redact=lambda *_: 0,
        redact_again=lambda *_: 0,
        compact=lambda _folder: None,
    )


def execute(job: str, instance: dg.DagsterInstance, config: dict[str, Any] | None = None) -> bool:
    definition = build_definitions(Settings.from_environment()).resolve_job_def(job)
    return definition.execute_in_process(run_config=config, instance=instance).success


def versions(client: "S3Client", bucket: str) -> list[str]:
    """The key of every version and delete marker."""
    listed = client.list_object_versions(Bucket=bucket)
    return sorted(each["Key"] for each in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])])


def scalars(url: str, statement: str) -> list[object]:
    engine = create_engine(make_url(url))
    with engine.connect() as connection:
        found = list(connection.execute(text(statement)).scalars())
    engine.dispose()
    return found


@pytest.mark.slow
def test_a_purge_leaves_nothing_of_the_athlete_and_all_of_the_others(
    instance: dg.DagsterInstance, environment: dict[str, str], redis: Redis, client: "S3Client", bucket: str
):
    folder = f"stravaact/{ADA}/"
    theirs = f"stravaact/{BEN}/{HOUR_AGO:%Y%m%dT%H}0000.json"
    # Deleted by hand: what remains is a version and a marker. And what the Airflow DAG wrote.
    client.put_object(Bucket=bucket, Key=f"{folder}20250101T000000.json", Body=b"[]")
    client.delete_object(Bucket=bucket, Key=f"{folder}20250101T000000.json")
    old_hers, old_his = "stravaact/20240101T000000.json", "stravaact/20240101T010000.json"
    client.put_object(Bucket=bucket, Key=old_hers, Body=json.dumps([{"id": 1, "athlete": {"id": ADA}}]).encode())
    client.delete_object(Bucket=bucket, Key=old_hers)
    client.put_object(Bucket=bucket, Key=old_his, Body=json.dumps([{"id": 1, "athlete": {"id": BEN}}]).encode())
    redis.xadd(keys.EVENTS, {"event": Event("activity", "create", 1, ADA, 1).to_json()})
    redis.xadd(keys.EVENTS, {"event": Event("activity", "create", 1, BEN, 1).to_json()})
    redis.set(f"strava:fetched:{ADA}:2026-01-01T00", "2026-01-02")
    Revocations(redis).mark(ADA, HOUR_AGO)

    result = CliRunner().invoke(main, ["purge", "--athlete", str(ADA), "--yes"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Athlete {ADA}: deleted 1 token, ")
    assert result.output.endswith(f"Nothing is left.\n{STILL_HELD}\n")

    left = versions(client, bucket)
    assert not [key for key in left if key.startswith(folder)]
    assert old_hers not in left
    assert {theirs, old_his} <= set(left)
    owners = scalars(
        environment["DATABASE_URL"],
        "SELECT athlete_id FROM strava_activity UNION ALL SELECT athlete_id FROM strava_activity_reject "
        "UNION ALL SELECT athlete_id FROM strava_mirrored_object",
    )
    assert owners == [BEN, BEN, BEN]
    assert sorted(redis.scan_iter("STRAVA_TOKEN*")) == [f"STRAVA_TOKEN:{BEN}".encode()]
    assert redis.xlen(keys.EVENTS) == 1
    assert not redis.exists(f"strava:fetched:{ADA}:2026-01-01T00")
    assert not Revocations(redis).athletes()

    events = scalars(environment["DAGSTER_POSTGRES_URL"], "SELECT event FROM event_logs")
    events += scalars(environment["DAGSTER_POSTGRES_URL"], "SELECT last_materialization FROM asset_keys")
    assert not [event for event in events if "secret" in str(event).lower() or f"/{ADA}/" in str(event)]
    assert [event for event in events if f"/{BEN}/" in str(event)]
    # Dagster can still read what was rewritten.
    record = instance.fetch_materializations(dg.AssetKey("strava_activity"), limit=10).records[0]
    assert record.asset_materialization
    assert record.asset_materialization.metadata["preview"] == dg.MetadataValue.md("Removed.")

    again = CliRunner().invoke(main, ["purge", "--athlete", str(ADA), "--yes"])
    assert again.output == f"Athlete {ADA}: deleted nothing. Nothing is left.\n{STILL_HELD}\n"


@pytest.mark.usefixtures("instance")
def test_a_purge_asks_before_it_deletes(redis: Redis):
    result = CliRunner().invoke(main, ["purge", "--athlete", str(ADA)], input="n\n")
    assert result.exit_code == 1
    assert f"Athlete {ADA}: 1 token, 2 objects, 4 rows. Delete all of it for good?" in result.output
    assert redis.exists("STRAVA_TOKEN")


@pytest.mark.usefixtures("instance")
def test_a_purge_of_whom_nothing_is_kept_says_so_and_asks_nothing(redis: Redis):
    result = CliRunner().invoke(main, ["purge", "--athlete", "99"])
    assert result.exit_code == 0
    assert result.output.startswith("There is no token, raw object or row of athlete 99.")
    PurgedIds(redis).add(99, [7])
    unfinished = CliRunner().invoke(main, ["purge", "--athlete", "99"], input="n\n")
    assert "Delete all of it for good?" in unfinished.output
    assert redis.exists("STRAVA_TOKEN")


@pytest.mark.usefixtures("instance")
def test_an_interrupted_purge_does_not_fetch_anew_and_is_finished_by_the_next(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise ServiceUnavailable("S3 is away.")

    with monkeypatch.context() as patched:
        patched.setattr("strava_assets.raw.deletion.RawDeletion.delete_athlete", interrupt)
        with pytest.raises(ServiceUnavailable):
            purger().purge(ADA)
    assert not redis.exists("STRAVA_TOKEN")
    assert purger().purge(ADA) == PurgeCounts(objects=2, rows=4)
    assert not purger().count(ADA)


@pytest.mark.usefixtures("instance")
def test_a_purge_that_was_interrupted_before_it_compacted_is_known_to_be_unfinished(redis: Redis):
    def interrupt(_folder: str) -> None:
        raise ServiceUnavailable("S3 is away.")

    whole = purger()
    with pytest.raises(ServiceUnavailable):
        replace(whole, compact=interrupt).purge(ADA)
    assert not purger().count(ADA)
    result = CliRunner().invoke(main, ["purge", "--athlete", str(ADA)], input="y\n")
    assert result.output.endswith(f"Nothing is left.\n{STILL_HELD}\n")
    assert not PurgedIds(redis).of(ADA)


@pytest.mark.usefixtures("instance")
def test_a_purge_says_so_when_something_writes_meanwhile(client: "S3Client", bucket: str):
    class Haunted(Purger):
        def count(self, athlete_id: int) -> PurgeCounts:
            client.put_object(Bucket=bucket, Key=f"stravaact/{athlete_id}/20250101T000000.json", Body=b"[]")
            return super().count(athlete_id)

    with pytest.raises(ServiceUnavailable, match="Of athlete 42 there is 1 object again"):
        Haunted(**vars(purger())).purge(ADA)


@pytest.mark.slow
def test_the_job_purges_only_whose_withdrawal_is_recorded_whatever_its_config_names(
    instance: dg.DagsterInstance, redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    for config in ({"athlete_id": ADA}, {"athlete_id": ADA, "only_if_revoked": False}):
        assert execute("purge_athlete", instance, {"ops": {"purge_everything": {"config": config}}})
    assert execute("purge_athlete", instance)
    assert purger().count(ADA)
    Revocations(redis).mark(ADA, HOUR_AGO)
    with monkeypatch.context() as patched:
        patched.setenv("STRAVA_PURGE_ON_REVOKE", "confirm")
        assert execute("purge_athlete", instance)
    assert purger().count(ADA)
    assert execute("purge_athlete", instance)
    assert not purger().count(ADA)
    assert purger().count(BEN)
    assert not Revocations(redis).athletes()


@pytest.mark.slow
def test_athletes_whose_purge_fails_do_not_keep_the_others_and_are_all_named_until_the_next(
    instance: dg.DagsterInstance, environment: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    broken = {ADA: "S3 is away.", 77: "S3 is slow."}
    for athlete_id in (*broken, BEN):
        Revocations(redis).mark(athlete_id, HOUR_AGO)
    delete = RawDeletion.delete_athlete

    def fail_for_some(self: RawDeletion, athlete_id: int) -> int:
        if athlete_id in broken:
            raise ServiceUnavailable(broken[athlete_id])
        return delete(self, athlete_id)

    with monkeypatch.context() as patched:
        patched.setattr(RawDeletion, "delete_athlete", fail_for_some)
        with pytest.raises(dg.Failure) as raised:
            execute("purge_athlete", instance)
    for athlete_id, reason in broken.items():
        assert f"The purge of athlete {athlete_id} failed: {reason}" in str(raised.value.description)
    assert set(Revocations(redis).athletes()) == broken.keys()
    assert not purger().count(BEN)
    assert execute("purge_athlete", instance)
    events = scalars(environment["DAGSTER_POSTGRES_URL"], "SELECT event FROM event_logs")
    assert not [event for event in events for athlete_id in broken if f"athlete {athlete_id} failed" in str(event)]
    assert [event for event in events if "The purge of athlete " in str(event)]


def test_rows_that_the_old_dag_wrote_go_with_the_athlete_it_served(
    instance: dg.DagsterInstance, environment: dict[str, str]
):
    assert instance
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO strava_activity (id) VALUES (7)"))
    engine.dispose()
    assert purger().purge(ADA).rows == 5


def test_what_was_deleted_is_counted_in_words():
    assert str(PurgeCounts()) == "nothing"
    assert str(PurgeCounts(tokens=1, old_objects=1, redis_entries=1)) == "1 token, 1 old object, 1 Redis entry"
    assert str(PurgeCounts(rows=1, dagster_events=1)) == "1 row, 1 Dagster event redacted"
    assert str(PurgeCounts(rows=2, redis_entries=3, dagster_events=4)) == (
        "2 rows, 3 Redis entries, 4 Dagster events redacted"
    )


@pytest.mark.usefixtures("environment")
def test_deletion_without_a_bucket_says_what_to_check(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("S3_BUCKET", "not-there")
    with pytest.raises(ConfigurationError, match="'not-there' does not exist"):
        open_deletion(Settings.from_environment()).count(ADA)


@pytest.mark.slow
def test_retention_deletes_whole_hours_from_table_and_bucket_alike(
    instance: dg.DagsterInstance, environment: dict[str, str], client: "S3Client", bucket: str
):
    assert instance
    settings = Settings.from_environment()
    old_key = f"stravaact/{HOUR_AGO - HOUR:%Y%m%dT%H}0000.json"
    client.put_object(Bucket=bucket, Key=old_key, Body=b"[]")
    engine, objects = engine_for(settings.database_url), open_deletion(settings)
    redacted: list[Collection[int]] = []
    assert delete_old_activities(engine, objects, HOUR_AGO - HOUR, redacted.append) == DeletedByAge(0, 0, 0)
    assert redacted == []
    deleted = delete_old_activities(engine, objects, HOUR_AGO + HOUR, redacted.append)
    assert deleted == DeletedByAge(objects=5, rows=3, rejects=2)
    [ids] = redacted
    assert len(ids) == 5
    assert versions(client, bucket) == []
    assert scalars(environment["DATABASE_URL"], "SELECT id FROM strava_activity") == []


@pytest.mark.slow
def test_what_retention_deleted_is_not_fetched_again(
    instance: dg.DagsterInstance, simulation: Simulation, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
):
    long_ago = HOUR_AGO - timedelta(hours=30)
    simulation.add_activity(BEN, name="Secret of old", start_date=at(long_ago))
    assert run(long_ago, instance=instance).success
    assert execute("apply_retention", instance)  # nothing: the setting is not there
    monkeypatch.setenv("STRAVA_RETENTION_DAYS", "1")
    assert execute("apply_retention", instance)

    shown = "SELECT count(*) FROM event_logs WHERE event LIKE '%Secret of old%'"
    assert scalars(environment["DAGSTER_POSTGRES_URL"], shown) == [0]
    oldest = "SELECT min(start_date) > now() - interval '25 hours' FROM strava_activity"
    assert scalars(environment["DATABASE_URL"], oldest) == [True]

    result = run(long_ago, instance=instance)
    assert not result.success
    assert "older than STRAVA_RETENTION_DAYS keeps" in problem(result)
    assert run(Window.of(long_ago, HOUR_AGO), instance=instance).success
    assert scalars(environment["DATABASE_URL"], oldest) == [True]
