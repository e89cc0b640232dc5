"""The graph's interface, and two platforms beside a host's own definitions in one code location."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import boto3
import dagster as dg
import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from strava_assets import Settings, build_definitions
from strava_assets.defs.run_tags import CHANGES, EVENTS, RECONCILE, reason_tags
from strava_assets.hours import HOUR, floor_to_hour, partition_key
from strava_assets.provisioning import migrate
from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation
from strava_assets.views.catalog import views

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR


def interface(defs: dg.Definitions) -> dict[str, object]:
    """What others may rely on: names, partitions, schedules, defaults."""
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    partitions = {
        key.to_user_string(): type(graph.get(key).partitions_def).__name__ for key in graph.get_all_asset_keys()
    }
    return {
        "assets": partitions,
        "checks": sorted(f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys),
        "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
        "schedules": {each.name: (each.cron_schedule, each.job_name) for each in repository.schedule_defs},
        "sensors": {
            each.name: (each.minimum_interval_seconds, sorted(job.name for job in each.jobs))
            for each in repository.sensor_defs
        },
        "resources": sorted(repository.get_top_level_resources()),
        "started": {each.name: each.default_status.value for each in repository.schedule_defs}
        | {each.name: each.default_status.value for each in repository.sensor_defs},
    }


@pytest.mark.usefixtures("environment")
def test_the_graph_is_an_interface():
    assert interface(build_definitions(Settings.from_environment())) == {
        "assets": {
            "raw_activities": "HourlyPartitionsDefinition",
            "raw_archive": "NoneType",
            "strava_activity": "HourlyPartitionsDefinition",
            "strava_archive": "NoneType",
            "training_report": "NoneType",
            **{f"strava_analytics/{view.name}": "NoneType" for view in views()},
        },
        "checks": [
            "raw_activities: all_athletes_fetched",
            "strava_activity: archived_activities_on_strava",
            "strava_activity: no_deletions_wait",
            "strava_activity: no_rejects",
            "strava_activity: plausible_values",
            "strava_activity: rows_match_objects",
            "strava_analytics/day: day_has_no_gap",
            "strava_analytics/day: days_sum_up_to_activities",
            "strava_analytics/day: fitness_is_never_negative",
            "strava_archive: no_archive_rejects",
        ],
        "jobs": [
            "apply_retention",
            "import_archive",
            "make_reports",
            "purge_athlete",
            "reconcile_history",
            "sync_hours",
        ],
        "schedules": {
            "closed_hours": ("2 * * * *", "sync_hours"),
            "daily_reconciliation": ("17 * * * *", "reconcile_history"),
            "daily_retention": ("40 * * * *", "apply_retention"),
        },
        "sensors": {
            "strava_changes": (900, ["sync_hours"]),
            "strava_events": (20, ["sync_hours"]),
            "strava_reports": (60, ["make_reports"]),
            "strava_withdrawals": (120, ["purge_athlete"]),
        },
        "resources": ["strava_api", "strava_postgres", "strava_s3", "strava_tokens"],
        "started": dict.fromkeys(
            [
                *("closed_hours", "daily_reconciliation", "daily_retention"),
                *("strava_changes", "strava_events", "strava_reports", "strava_withdrawals"),
            ],
            "RUNNING",
        ),
    }


@pytest.mark.usefixtures("environment")
def test_what_owes_deletions_passes_queued_comparisons_even_if_launched_by_hand():
    definitions = build_definitions(Settings.from_environment())
    changes, events = (int(reason_tags(reason)["dagster/priority"]) for reason in (CHANGES, EVENTS))
    for name, passes in (("reconcile_history", events), ("purge_athlete", events), ("apply_retention", changes)):
        assert int(definitions.resolve_job_def(name).tags["dagster/priority"]) > passes
    assert int(reason_tags(RECONCILE)["dagster/priority"]) > changes


@pytest.mark.usefixtures("environment")
def test_a_library_starts_nothing_unless_it_is_told_to():
    found = interface(build_definitions(Settings.from_environment(), start=False))["started"]
    assert isinstance(found, dict)
    assert set(found.values()) == {"STOPPED"}


HOST = """
import gc, logging, os, warnings
before = dict(os.environ), gc.get_threshold()
from strava_assets import Settings, build_definitions
build_definitions(Settings.from_environment())
assert (dict(os.environ), gc.get_threshold()) == before
assert not [entry for entry in warnings.filters if "dagster" in str(entry[2])]
assert not [name for name in logging.root.manager.loggerDict if logging.getLogger(name).filters]
"""


def test_the_process_of_a_host_stays_as_it_is(environment: dict[str, str]):
    variables = {**os.environ, **environment, "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", HOST], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_platforms_and_a_hosts_own_definitions_share_a_code_location(
    environment: dict[str, str], simulation: Simulation, redis_url: str
):
    """Each with its own application, bucket, database and Redis; the host has an `s3`, a `postgres` and an executor."""
    first = Settings.from_environment()
    other = Simulation()
    with serve(other) as other_url:
        second = replace(
            first,
            client_id=str(other.client_id),
            client_secret=other.client_secret,
            base_url=other_url,
            api_url=f"{other_url}/api/v3",
            s3_prefix="second",
            redis_url=redis_url.replace("?", "?db=1&") if "?" in redis_url else f"{redis_url}?db=1",
            database_url=first.database_url.set(database=f"{first.database_url.database}_dagster"),
        )
        admin = create_engine(first.database_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {second.database_url.database} STRATEGY WAL_LOG"))
        admin.dispose()
        for settings, strava, athlete in ((first, simulation, 42), (second, other, 7)):
            migrate(settings.database_url)
            strava.add_athlete(athlete)
            strava.add_activity(athlete, start_date=(HOUR_AGO).strftime("%Y-%m-%dT%H:%M:%SZ"))
            redis = Redis.from_url(settings.redis_url)
            redis.flushdb()
            redis.set("STRAVA_TOKEN", json.dumps(strava.grant(athlete)))
        host = dg.Definitions(resources={"s3": object(), "postgres": object()}, executor=dg.multiprocess_executor)
        merged = dg.Definitions.merge(
            host,
            build_definitions(first, key_prefix=["one"], name_prefix="one_"),
            build_definitions(second, key_prefix=["two"], name_prefix="two_", group="others", start=False),
        )
        dg.Definitions.validate_loadable(merged)
        for name in ("one_sync_hours", "two_sync_hours"):
            result = merged.resolve_job_def(name).execute_in_process(partition_key=partition_key(HOUR_AGO))
            assert result.success
    s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=environment["S3_BUCKET"])["Contents"]]
    hour = f"{HOUR_AGO:%Y%m%dT%H}0000.json"
    assert sorted(keys) == [f"second/7/{hour}", f"stravaact/42/{hour}"]
    for settings, athlete in ((first, 42), (second, 7)):
        engine = create_engine(settings.database_url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT athlete_id FROM strava_activity")).scalars().all() == [athlete]
        engine.dispose()


def test_the_example_of_the_docs_loads_with_both_platforms_and_a_hosts_own(monkeypatch: pytest.MonkeyPatch):
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = page.partition("\n## Inside another Dagster deployment\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for prefix, number in (("ANA_", "1"), ("BEN_", "2")):
        monkeypatch.setenv(f"{prefix}STRAVA_CLIENT_ID", number)
    module = ModuleType("example")
    exec(example, vars(module))  # noqa: S102 - our own
    repository = module.defs.get_repository_def()
    dg.Definitions.validate_loadable(module.defs)
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert {"weekly_summary", "ana/strava_activity", "ben/strava_activity"} <= keys
    assert {"ana_sync_hours", "ben_sync_hours"} <= set(repository.job_names)
    assert {"ana_strava_s3", "ben_strava_s3"} <= repository.get_top_level_resources().keys()
    assert [module.settings(prefix).client_id for prefix in ("ANA_", "BEN_")] == ["1", "2"]
