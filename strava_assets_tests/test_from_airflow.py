"""Moving from the Airflow DAG, as docs/operations.md describes it: same bucket, same table, same token."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.cli.main import main
from strava_assets.mirror.activity import validate
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.mirror.test_migrations import OLD_TABLE

OLD_OBJECT = "stravaact/20261122T130000.json"


@pytest.mark.usefixtures("dagster_home")
def test_the_old_table_bucket_and_token_are_taken_over_as_they_are(
    environment: dict[str, str], simulation: Simulation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STRAVA_CLIENT", environment["STRAVA_CLIENT_ID"])
    monkeypatch.delenv("STRAVA_CLIENT_ID")
    today = datetime.now(UTC)
    monkeypatch.setenv("STRAVA_START_DATE", today.strftime("%Y-%m-01"))
    simulation.add_athlete(42)
    start = today.strftime("%Y-%m-%dT00:30:00Z")
    simulation.add_activity(42, start_date=start, average_speed=5.54, text=None)
    simulation.add_activity(42, start_date=start, id=2_000_000_001, name="Morgenlauf", average_speed=3.34)
    old_token = {name: value for name, value in simulation.grant(42).items() if name != "athlete"} | {
        "kept": "as it was"
    }
    redis = Redis.from_url(environment["REDIS_URL"])
    redis.set("STRAVA_TOKEN", json.dumps(old_token))
    s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    s3.put_object(Bucket=environment["S3_BUCKET"], Key=OLD_OBJECT, Body=b'[{"id": 1}]')
    engine = create_engine(make_url(environment["DATABASE_URL"]))
    with engine.begin() as connection:
        connection.execute(text(OLD_TABLE.format(id_type="INTEGER")))
        # The second row's activity was deleted on Strava, in an hour that the partitions cover.
        connection.execute(text("UPDATE strava_activity SET start_date = :day WHERE id = 2000000002"), {"day": today})

    for arguments in (["init"], ["import"]):
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert "Assigned 2 rows of the Airflow DAG to their athlete." in result.output

    with engine.connect() as connection:
        rows = {row.id: dict(row._mapping) for row in connection.execute(text("SELECT * FROM strava_activity"))}
    engine.dispose()
    account = simulation.accounts[42]
    assert rows == {key: validate(raw, 42).model_dump() for key, raw in account.activities.items()}  # type: ignore[union-attr]
    assert rows[2_000_000_001]["average_speed"] == 3.34
    assert s3.get_object(Bucket=environment["S3_BUCKET"], Key=OLD_OBJECT)["Body"].read() == b'[{"id": 1}]'
    stored = json.loads(str(redis.get("STRAVA_TOKEN"), "utf-8"))  # type: ignore[arg-type]
    assert stored["kept"] == "as it was"
    assert stored["athlete"]["id"] == 42
