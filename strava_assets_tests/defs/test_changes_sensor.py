"""The sensor for changes: which runs it requests, and how many."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa
from redis import Redis

from strava_assets.defs.build import build_definitions
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import window_of_tags
from strava_assets.defs.runs import request_for
from strava_assets.defs.sensors import windows_to_refresh
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.differences import Differences
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.sync.attempts import Attempt, Outcome
from strava_assets.sync.compare import Comparison
from strava_assets_tests import dagster_runs
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import run

NOW = datetime.now(UTC)
THIS_HOUR = floor_to_hour(NOW)
DAY = timedelta(days=1)
DAYS_AGO = THIS_HOUR - timedelta(days=4)


def hour(days: int) -> Window:
    return Window.of(THIS_HOUR - days * DAY, THIS_HOUR - days * DAY)


def tick(instance: dg.DagsterInstance) -> dg.SensorResult:
    return dagster_runs.tick("strava_changes", instance)


@pytest.mark.slow
def test_the_sensor_requests_just_the_hours_that_differ_and_says_what_it_found(strava: Simulation):
    with dg.instance_for_test() as instance:
        strava.add_activity(42, start_date=at(DAYS_AGO))
        found = tick(instance)
        (request,) = found.run_requests or []
        key = f"{DAYS_AGO:%Y-%m-%d-%H:00}"
        assert (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        ) == (key, key)
        assert run(DAYS_AGO).success
        found = tick(instance)
        assert found.skip_reason == dg.SkipReason("1 activities listed; athlete 42: nothing differs.")


def test_the_sensor_does_not_ask_twice_for_what_is_under_way(strava: Simulation):
    with dg.instance_for_test() as instance:
        strava.add_activity(42, start_date=at(DAYS_AGO))
        found = tick(instance)
        instance.create_run_for_job(
            _job(), tags=dict((found.run_requests or [])[0].tags), status=dg.DagsterRunStatus.NOT_STARTED
        )
        assert tick(instance).skip_reason


def test_the_sensor_skips_with_a_reason_while_nobody_is_logged_in(strava: Simulation, environment: dict[str, str]):
    assert strava.accounts
    Redis.from_url(environment["REDIS_URL"]).delete("STRAVA_TOKEN")
    with dg.instance_for_test() as instance:
        found = tick(instance)
    assert found.skip_reason == dg.SkipReason("Nobody is logged in to Strava. Run: strava-assets login")


def _job() -> dg.JobDefinition:
    return build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")


def test_the_sensor_has_five_runs_queued_at_most_and_joins_what_is_scattered_into_them(strava: Simulation):
    """Each tick of a busy hour added some twenty; the daily reconciliation waited for most of an hour behind fifty."""
    days = range(1, 25, 2)
    for number in days:
        strava.add_activity(42, start_date=at(hour(number).start))
    with dg.instance_for_test() as instance:
        windows = [window for each in tick(instance).run_requests or [] if (window := window_of_tags(each.tags))]
        assert len(windows) <= 5
        assert all(any(window.covers(hour(number)) for window in windows) for number in days)
        for number in range(5):
            tags = request_for(hour(number), Names(), "changes").tags
            instance.create_run_for_job(_job(), tags=dict(tags), status=dg.DagsterRunStatus.NOT_STARTED)
        requests = len(strava.requests)
        found = tick(instance).skip_reason
        assert found == dg.SkipReason("5 of this sensor's runs are not over yet; it compares again when fewer are.")
        assert len(strava.requests) == requests
        died = "UPDATE runs SET create_timestamp = datetime(create_timestamp, '-3 days')"
        with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
            connection.execute(sa.text(died))
        assert tick(instance).run_requests


def test_hours_that_keep_failing_and_what_lies_between_them_take_no_place_from_others():
    began = NOW - HOUR
    failed = [Attempt(hour(number), Outcome.FAILED, began, began + timedelta(minutes=1)) for number in range(10, 28, 2)]
    differ: dict[int | str, set[datetime]] = {number: {hour(number).start} for number in (1, *range(10, 28, 2))}
    comparison = Comparison({42: Differences(changed=differ)})
    assert windows_to_refresh(comparison, failed, NOW - DAY, NOW, most=3) == [hour(1), hour(26), hour(24)]
