"""No token, client secret or password anywhere but in Redis' token keys."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from redis import Redis
from sqlalchemy import create_engine, inspect, make_url, text

from strava_assets.hours import HOUR, floor_to_hour
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR


def everything_stored(environment: dict[str, str], home: Path) -> str:
    """All rows of all tables of both databases, all objects, all files of Dagster, as one text."""
    found = []
    for name in ("DATABASE_URL", "DAGSTER_POSTGRES_URL"):
        engine = create_engine(make_url(environment[name]))
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names():
                found += [str(row) for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
        engine.dispose()
    bucket = boto3.resource("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"]).Bucket(environment["S3_BUCKET"])
    found += [each.key + each.get()["Body"].read().decode() for each in bucket.objects.all()]
    found += [
        file.read_text(errors="replace") for file in home.rglob("*") if file.is_file() and file.name != "dagster.yaml"
    ]
    return "\n".join(found)


def materialise(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "strava_assets.definitions"),
            *("--select", "raw_activities,strava_activity", "--partition", HOUR_AGO.strftime("%Y-%m-%d-%H:00")),
        ],
        cwd=home,
        env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_no_secret_is_in_any_log_event_object_or_table(
    environment: dict[str, str], simulation: Simulation, tmp_path: Path
):
    for _ in initialise(Settings.from_environment()):
        pass
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text().replace("INFO", "DEBUG"))
    simulation.add_athlete(42)
    simulation.add_activity(42, start_date=HOUR_AGO.strftime("%Y-%m-%dT%H:10:00Z"))
    redis = Redis.from_url(environment["REDIS_URL"])
    # An expired token is renewed on the way, so that new tokens pass through as well.
    redis.set("STRAVA_TOKEN", json.dumps({**simulation.grant(42), "expires_at": 1}))
    good = materialise(home)
    assert good.returncode == 0, good.stderr
    simulation.revoke(42)
    redis.set("STRAVA_TOKEN", json.dumps({**json.loads(str(redis.get("STRAVA_TOKEN"), "utf-8")), "expires_at": 1}))  # type: ignore[arg-type]
    known = {json.loads(str(redis.get("STRAVA_TOKEN"), "utf-8"))[name] for name in ("access_token", "refresh_token")}  # type: ignore[arg-type]
    bad = materialise(home)
    assert bad.returncode != 0
    assert "strava-assets login" in bad.stdout + bad.stderr

    secrets = known | {simulation.client_secret, environment["AWS_SECRET_ACCESS_KEY"]}
    output = "\n".join((good.stdout, good.stderr, bad.stdout, bad.stderr, everything_stored(environment, home)))
    assert len(output) > 10_000
    for secret in secrets:
        assert len(secret) > 15
        assert secret not in output
    # The search would find one: the activity, which is no secret, is found.
    assert str(simulation.activities(42)[0]["id"]) in output
