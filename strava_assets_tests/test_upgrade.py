"""From 0.1.0: what its own code wrote is found as it was by this one, after `strava-assets init`."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.settings import VARIABLES
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.equality import expected_rows, rows

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent
RELEASE = "817ef323b13e4fe940abb830e6a8dc16f1aa68d9"
"""The last commit with the layout of 0.1.0, as CHANGELOG.md says."""

LAST = floor_to_hour(datetime.now(UTC)) - HOUR
HOURS = Window.of(LAST - 30 * HOUR, LAST)

MATERIALIZED = text(
    "SELECT count(DISTINCT partition) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' "
    """AND asset_key = '["strava_activity"]'"""
)


WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'strava_activity'::regclass")


class Release(NamedTuple):
    """A project's folder, and the folder of the code, which must not be the working folder: that comes first."""

    folder: Path
    code: Path


@pytest.fixture
def release(tmp_path: Path) -> "Release":
    """The code of 0.1.0, and a project folder with the dagster.yaml that names the old class paths."""
    folder, code = tmp_path / "project", tmp_path / "code"
    folder.mkdir()
    code.mkdir()
    archive = subprocess.run(
        ["git", "archive", RELEASE, "strava_assets", "dagster.yaml", "workspace.yaml"],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.skip(f"this checkout has no history with {RELEASE}")
    subprocess.run(["tar", "x", "-C", str(code)], input=archive.stdout, check=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        (code / name).rename(folder / name)
    assert "module: strava_assets.event_log" in (folder / "dagster.yaml").read_text()
    return Release(folder, code)


def in_folder(folder: Path, code: Path, *command: str) -> str:
    """What a command says that runs in the folder with that code."""
    environment = {**os.environ, "PYTHONPATH": str(code), "DAGSTER_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    return done.stdout + done.stderr


def materialize(*hours: str) -> tuple[str, ...]:
    select = ("--select", "raw_activities,strava_activity")
    return ("dagster", "asset", "materialize", "-m", "strava_assets.definitions", *select, *hours)


def objects(environment: dict[str, str]) -> dict[str, str]:
    s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    return {each["Key"]: each["ETag"] for each in s3.list_objects_v2(Bucket=environment["S3_BUCKET"])["Contents"]}


def interrupt_init(folder: Path, url: str) -> None:
    """Kill it in the middle of its migrations, where it waits for a table that somebody reads."""
    engine = create_engine(make_url(url))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DAGSTER_HOME": str(folder)}
    with engine.connect() as reader, engine.connect() as watcher:
        reader.execute(text("LOCK TABLE strava_activity IN ACCESS SHARE MODE"))
        command = [sys.executable, "-m", "strava_assets", "init"]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
            while not watcher.execute(WAITING).scalar_one():
                assert process.poll() is None
                time.sleep(0.05)
            process.kill()
    engine.dispose()


def count(url: str) -> int:
    engine = create_engine(make_url(url))
    with engine.connect() as connection:
        found = int(connection.execute(MATERIALIZED).scalar_one())
    engine.dispose()
    return found


def test_what_0_1_0_wrote_is_there_after_init_and_costs_no_refresh(
    environment: dict[str, str], simulation: Simulation, release: Release
):
    simulation.add_athlete(42)
    for number in range(20):
        start = HOURS.start + number * HOUR
        simulation.add_activity(42, start_date=f"{start:%Y-%m-%dT%H:%M:%SZ}", name=f"Lauf {number} 🏃")
    redis = Redis.from_url(environment["REDIS_URL"])
    redis.set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    in_folder(release.folder, release.code, "strava_assets", "init")
    first, last = str(HOURS).split("...")
    in_folder(release.folder, release.code, *materialize("--partition-range", f"{first}...{last}"))
    before, stored, token = rows(environment), objects(environment), redis.get("STRAVA_TOKEN")
    assert set(before) == set(expected_rows(simulation))
    assert count(environment["DAGSTER_POSTGRES_URL"]) == 31

    interrupt_init(release.folder, environment["DATABASE_URL"])
    assert rows(environment) == before
    in_folder(release.folder, PROJECT, "strava_assets", "init")
    after = rows(environment)
    assert {key: {name: row[name] for name in before[key]} for key, row in after.items()} == before
    assert objects(environment) == stored
    assert redis.get("STRAVA_TOKEN") == token
    assert count(environment["DAGSTER_POSTGRES_URL"]) == 31
    output = in_folder(release.folder, PROJECT, "strava_assets", "reconcile")
    assert "nothing differs" in output

    # With the dagster.yaml of 0.1.0 as it is, and with a new activity.
    simulation.add_activity(42, start_date=f"{LAST:%Y-%m-%dT%H:%M:%SZ}")
    output = in_folder(release.folder, PROJECT, *materialize("--partition-range", f"{first}...{last}"))
    assert "write strava_assets.instance.event_log" in output
    assert rows(environment) == expected_rows(simulation)


def test_every_setting_of_0_1_0_is_one_still():
    shown = subprocess.run(
        ["git", "show", f"{RELEASE}:.env.example"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(f"this checkout has no history with {RELEASE}")
    names = set(re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=", shown.stdout, re.MULTILINE))
    assert len(names) > 10
    assert names <= {each.name for each in VARIABLES}
