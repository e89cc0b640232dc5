"""After a purge: every name, value, token and id is searched for in tables, statistics, objects, keys and files."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from redis import Redis

from strava_assets.cli.dagster_runs import open_instance
from strava_assets.cli.main import main
from strava_assets.defs.build import build_definitions
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.instance.process_tags import PID_TAG, process_tags
from strava_assets.local.redis import Redis as RedisServer
from strava_assets.mirror.table import metadata
from strava_assets.raw.store import RawStore
from strava_assets.services import open_client, open_engine, open_redis, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.state.resume_points import ResumePoints
from strava_assets.state.revocations import Revocations
from strava_assets.strava.client import StravaClient
from strava_assets.strava.pagination import Page
from strava_assets.sync.fetch import Fetched, make_fetcher
from strava_assets.webhooks.events import Event
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import problem, run, tick

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR
ADA, BEN = 31415926, 27182818
SECRETS = ("Adalovina", "Byronson", "Tour to the analytical engine", "farther than far")


class Everything:
    """All that is kept anywhere, as text."""

    def __init__(self, environment: dict[str, str], bucket: str, *folders: Path) -> None:
        self.environment = environment
        self.bucket = bucket
        self.folders = folders
        self.s3: S3Client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
        self.redis = Redis.from_url(os.environ["REDIS_URL"])

    def places(self) -> Iterator[tuple[str, str]]:
        for name in ("DATABASE_URL", "DAGSTER_POSTGRES_URL"):
            engine = sa.create_engine(self.environment[name])
            with engine.connect() as connection:
                found = connection.execute(
                    sa.text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND oid > 16384")
                )
                for table in [*found.scalars(), "pg_stats"]:
                    rows = connection.execute(sa.text(f"SELECT t::text FROM {table} AS t")).scalars()
                    yield f"{name}: {table}", "\n".join(rows)
            engine.dispose()
        listed = self.s3.list_object_versions(Bucket=self.bucket)
        for version in listed.get("Versions", []):
            body = self.s3.get_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"]
            yield version["Key"], f"{version['Key']} {body.read().decode()}"
        for marker in listed.get("DeleteMarkers", []):
            yield "a delete marker", marker["Key"]
        for key in self.redis.scan_iter():
            read: dict[object, Callable[[bytes], object]] = {
                b"string": self.redis.get,
                b"hash": self.redis.hgetall,
                b"zset": lambda key: self.redis.zrange(key, 0, -1),
                b"stream": self.redis.xrange,
            }
            yield f"Redis: {key!r}", f"{key!r} {read[self.redis.type(key)](key)!r}"
        for folder in self.folders:
            for file in folder.rglob("*"):
                if file.is_file():
                    yield str(file), file.read_bytes().decode("utf-8", "replace")

    def rows(self) -> str:
        with sa.create_engine(self.environment["DATABASE_URL"]).connect() as connection:
            return "\n".join(connection.execute(sa.text("SELECT t::text FROM strava_activity AS t")).scalars())

    def search(self, words: set[str]) -> list[tuple[str, str]]:
        return [(place, word) for place, content in self.places() for word in words if word in content]


@pytest.fixture
def everything(
    environment: dict[str, str],
    dagster_home: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
) -> Iterator[Everything]:
    """A Redis of its own, with an append-only file, and a bucket that keeps versions."""
    folder = tmp_path_factory.mktemp("redis")
    with RedisServer(folder) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        found = Everything(environment, bucket, folder, dagster_home)
        found.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        assert CliRunner().invoke(main, ["init"]).exit_code == 0
        yield found


@pytest.fixture
def words(simulation: Simulation, everything: Everything) -> set[str]:
    """What is to be searched for: everything about Ada. Ben stays."""
    for athlete_id, name, key in (
        (ADA, "Adalovina Byronson", "STRAVA_TOKEN"),
        (BEN, "Ben Nevis", f"STRAVA_TOKEN:{BEN}"),
    ):
        simulation.add_athlete(athlete_id, name=name)
        first, last = name.split()
        token = simulation.grant(athlete_id) | {"athlete": {"id": athlete_id, "firstname": first, "lastname": last}}
        everything.redis.set(key, json.dumps(token))
    simulation.add_activity(BEN, name="Walk of Ben", start_date=at(HOUR_AGO))
    ids = [
        simulation.add_activity(ADA, name=SECRETS[2], start_date=at(HOUR_AGO)),
        simulation.add_activity(ADA, distance=SECRETS[3], start_date=at(HOUR_AGO, 2)),
        simulation.add_activity(ADA, moving_time=500, elapsed_time=5, start_date=at(HOUR_AGO, 3)),
    ]
    token = json.loads(everything.redis.get("STRAVA_TOKEN") or "")
    return {*SECRETS, *map(str, ids), str(ADA), token["access_token"], token["refresh_token"]}


def live(simulation: Simulation, everything: Everything, instance: dg.DagsterInstance) -> None:
    """Runs, failing checks, errors, events, ticks: all that writes of an athlete."""
    result = run(HOUR_AGO, instance=instance)
    assert result.success, problem(result)
    everything.redis.xadd(keys.EVENTS, {"event": Event("activity", "create", 1, ADA, 1763812800).to_json()})
    ResumePoints(everything.redis).reach(ADA, Window(HOUR_AGO, HOUR_AGO + 2 * HOUR), HOUR_AGO + HOUR)
    activity = simulation.add_activity(ADA, name=SECRETS[2], start_date=at(HOUR_AGO, 9))
    simulation.delete(activity)
    simulation.revoke(ADA)
    run(HOUR_AGO, instance=instance)
    tick("strava_changes", instance)
    tick("strava_withdrawals", instance)


@pytest.mark.slow
def test_a_search_for_all_of_an_athlete_finds_nothing_after_a_purge(
    simulation: Simulation, everything: Everything, words: set[str]
) -> None:
    with open_instance() as instance:
        live(simulation, everything, instance)
        assert {word for _, word in everything.search(words)} == words
        result = CliRunner().invoke(main, ["purge", "--athlete", str(ADA), "--yes"])
        assert result.exit_code == 0, result.output
        assert everything.search(words) == []
        kept = {place for place, content in everything.places() if str(BEN) in content}
        assert len(kept) > 3
        assert run(HOUR_AGO, instance=instance).success


@pytest.mark.slow
def test_a_proven_withdrawal_ends_with_nothing_left_although_no_event_came(
    simulation: Simulation, everything: Everything, words: set[str]
) -> None:
    with open_instance() as instance:
        live(simulation, everything, instance)
        for fact in ("refused", "last_check"):
            moment = float(everything.redis.hget("strava:evidence:STRAVA_TOKEN", fact) or 0)
            everything.redis.hset("strava:evidence:STRAVA_TOKEN", fact, repr(moment - 600))
        [request] = tick("strava_withdrawals", instance).run_requests or []
        assert request.run_config == {}
        assert str(ADA) not in str(request)
        assert list(Revocations(everything.redis).athletes()) == [ADA]
        job = build_definitions(Settings.from_environment()).resolve_job_def("purge_athlete")
        assert job.execute_in_process(instance=instance).success
        tick("strava_withdrawals", instance)
        assert everything.search(words) == []


def test_every_table_but_those_of_nobody_says_whose_its_rows_are() -> None:
    assert {table.name for table in metadata.tables.values() if "athlete_id" not in table.c} == {"strava_sport_group"}


@pytest.mark.slow
@pytest.mark.parametrize("pauses", ["before the first page is written", "in the middle of a write"])
def test_a_purge_beside_an_import_leaves_nothing(
    everything: Everything, words: set[str], monkeypatch: pytest.MonkeyPatch, pauses: str
) -> None:
    """The import reaches its pause, a purge comes, the import goes on."""
    words -= {word for word in words if not word.isdigit() and word not in SECRETS}
    reached, purged = threading.Event(), threading.Event()
    list_pages, write = StravaClient.activities, RawStore.write

    def pause_after_listing(*arguments: object, **options: object) -> Iterator[Page]:
        for page in list_pages(*arguments, **options):  # type: ignore[arg-type]
            reached.set()
            purged.wait(300)
            yield page

    def pause_in_write(self: RawStore, athlete_id: int, *rest: object) -> object:
        if athlete_id == ADA:
            reached.set()
            purged.wait(1)  # the purge waits for this write, so it cannot have ended
            assert not purged.is_set()
        return write(self, athlete_id, *rest)  # type: ignore[arg-type]

    if pauses == "in the middle of a write":
        monkeypatch.setattr(RawStore, "write", pause_in_write)
    else:
        monkeypatch.setattr(StravaClient, "activities", pause_after_listing)
    fetched: list[Fetched] = []
    fetching = threading.Thread(target=lambda: fetched.append(fetch()))
    fetching.start()
    assert reached.wait(300)
    result = CliRunner().invoke(main, ["purge", "--athlete", str(ADA), "--yes"])
    purged.set()
    fetching.join(300)
    assert result.exit_code == 0, result.output
    assert everything.search(words) == []
    assert ADA not in {athlete.id for athlete in fetched[0].athletes} or pauses == "in the middle of a write"
    assert ADA not in fetched[0].errors


def purge() -> Result:
    return CliRunner().invoke(main, ["purge", "--athlete", str(ADA), "--yes"])


@pytest.mark.slow
def test_what_a_run_names_that_ends_during_a_purge_is_redacted_too(
    simulation: Simulation, everything: Everything, words: set[str]
) -> None:
    with open_instance() as instance:
        live(simulation, everything, instance)
        job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
        late = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=process_tags())
        with ThreadPoolExecutor(1) as worker:
            purging = worker.submit(purge)
            while not purging.done() and rows_of_ada(everything):
                time.sleep(0.1)
            time.sleep(2)
            assert not purging.done()
            instance.report_engine_event(f"s3://bucket/stravaact/{ADA}/x.json cannot be read", late)
            instance.report_run_canceled(late)
            result = purging.result()
        assert result.exit_code == 0, result.output
        assert everything.search(words) == []


@pytest.mark.slow
def test_a_run_whose_process_is_gone_is_not_waited_for(
    simulation: Simulation, everything: Everything, words: set[str]
) -> None:
    with open_instance() as instance:
        live(simulation, everything, instance)
        job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
        with subprocess.Popen(["true"]) as gone:
            pass
        tags = process_tags() | {PID_TAG: str(gone.pid)}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        began = time.monotonic()
        assert purge().exit_code == 0
        assert time.monotonic() - began < 60
        assert everything.search(words) == []


@pytest.mark.slow
def test_a_purge_that_is_killed_while_it_waits_still_knows_what_to_redact_when_it_is_repeated(
    simulation: Simulation, everything: Everything, words: set[str]
) -> None:
    with open_instance() as instance:
        live(simulation, everything, instance)
        activity_id = max((word for word in words if word.isdigit()), key=int)
        job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
        late = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=process_tags())
        command = [sys.executable, "-m", "strava_assets", "purge", "--athlete", str(ADA), "--yes"]
        with subprocess.Popen(command) as killed:
            while killed.poll() is None and rows_of_ada(everything):
                time.sleep(0.1)
            time.sleep(1)
            assert killed.poll() is None
            killed.kill()
        instance.report_engine_event(f"Strava still has {activity_id}", late)
        instance.report_run_canceled(late)
        result = purge()
        assert result.exit_code == 0, result.output
        assert everything.search(words) == []


@pytest.mark.slow
def test_a_retention_that_is_killed_before_it_compacts_does_so_when_it_runs_again(
    simulation: Simulation, everything: Everything, words: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words
    old = HOUR_AGO - timedelta(hours=30)
    simulation.add_activity(BEN, name="Walk of old", start_date=at(old))
    with open_instance() as instance, sa.create_engine(everything.environment["DATABASE_URL"]).connect() as reader:
        assert run(old, instance=instance).success
        monkeypatch.setenv("STRAVA_RETENTION_DAYS", "1")
        before = files(everything)
        reader.execute(sa.text("LOCK TABLE strava_activity IN ACCESS SHARE MODE"))  # what the compaction waits for
        command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "strava_assets.definitions"]
        with subprocess.Popen([*command, "-j", "apply_retention"]) as killed:
            while killed.poll() is None and "Walk of old" in everything.rows():
                time.sleep(0.1)
            assert killed.poll() is None
            killed.kill()
        reader.rollback()
        apply = build_definitions(Settings.from_environment()).resolve_job_def("apply_retention").execute_in_process
        assert apply(instance=instance).success
        after = files(everything)
        assert not before & after
        assert apply(instance=instance).success
        assert files(everything) == after  # nothing is owed any more


def files(everything: Everything) -> set[tuple[str, int]]:
    """Where two tables lie that hold activities; each compaction moves them."""
    found = set()
    for name, table in (("DATABASE_URL", "strava_activity"), ("DAGSTER_POSTGRES_URL", "event_logs")):
        with sa.create_engine(everything.environment[name]).connect() as connection:
            found.add((table, int(connection.execute(sa.text(f"SELECT pg_relation_filenode('{table}')")).scalar_one())))
    return found


def rows_of_ada(everything: Everything) -> int:
    with sa.create_engine(everything.environment["DATABASE_URL"]).connect() as connection:
        counted = sa.text("SELECT count(*) FROM strava_activity WHERE athlete_id = :athlete_id")
        return int(connection.execute(counted, {"athlete_id": ADA}).scalar_one())


def fetch() -> Fetched:
    settings = Settings.from_environment()
    with open_client(settings) as client:
        fetcher = make_fetcher(
            client, open_store(settings), open_engine(settings), open_redis(settings), settings.max_delete_share
        )
        return fetcher.fetch(Window(HOUR_AGO, HOUR_AGO + HOUR))
