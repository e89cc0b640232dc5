import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType
from redis import Redis

from strava_assets.defs.build import build_definitions
from strava_assets.defs.run_tags import NOT_BEFORE_TAG, window_of_tags
from strava_assets.defs.schedules import hours_to_close
from strava_assets.hours import HOUR, Window
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.limits import Limit, RateLimits
from strava_assets.simulator.simulation import Simulation

LAST = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIEST = LAST - 48 * HOUR


def hours_ago(*numbers: int) -> set[datetime]:
    return {LAST - number * HOUR for number in numbers}


@pytest.mark.parametrize(
    ("done", "first"),
    [
        (hours_ago(*range(1, 49)), 0),  # nothing missed: the hour that has just ended
        (hours_ago(*range(49)), 0),  # it was materialised while it was in progress: closed all the same
        (hours_ago(*range(6, 49)), 5),  # five hours down
        (hours_ago(*range(1, 20), *range(22, 49)), 21),  # an hour in between failed
        (set(), 48),  # a fresh start closes the look-back
    ],
)
def test_missed_hours_are_closed_together_with_the_one_that_ended(done: set[datetime], first: int):
    assert hours_to_close(Window.of(EARLIEST, LAST), done) == Window.of(LAST - first * HOUR, LAST)


def test_the_schedule_requests_one_run_and_marks_it_as_the_hourly_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRAVA_LOOKBACK_DAYS", "1")
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
        )
        schedule = build_definitions(Settings.from_environment()).resolve_schedule_def("closed_hours")
        request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_start"] == "2026-11-21-12:00"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-11-22-12:00"
    assert request.tags["strava_assets/reason"] == "schedule"
    assert request.run_key == "2026-11-21-12:00...2026-11-22-12:00"


@pytest.mark.parametrize(("variable", "value"), [("STRAVA_RETENTION_DAYS", "2"), ("STRAVA_START_DATE", "2026-11-20")])
def test_what_up_fetches_and_what_the_schedule_closes_begin_at_the_same_hour(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    monkeypatch.setenv(variable, value)
    now, settings = datetime(2026, 11, 22, 13, 2, tzinfo=UTC), Settings.from_environment()
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=now)
        request = build_definitions(settings).resolve_schedule_def("closed_hours")(context)
    assert isinstance(request, dg.RunRequest)
    assert window_of_tags(request.tags) == settings.closed_hours(now) != Settings.from_environment({}).closed_hours(now)


def test_before_the_first_hour_has_ended_there_is_nothing_to_close(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    monkeypatch.setenv("STRAVA_START_DATE", "2026-11-22")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 11, 22, 0, 2, tzinfo=UTC))
        schedule = build_definitions(Settings.from_environment()).resolve_schedule_def("closed_hours")
        assert isinstance(schedule(context), dg.SkipReason)


@pytest.mark.parametrize("client_id", ["", "1"])
def test_without_an_application_nothing_is_scheduled_that_would_ask_strava(client_id: str):
    definitions = build_definitions(replace(Settings.from_environment({}), client_id=client_id))
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2026, 11, 22, 13, tzinfo=UTC))
        for name in ("closed_hours", "daily_reconciliation"):
            tick = definitions.resolve_schedule_def(name).evaluate_tick(context)
            assert bool(tick.run_requests) == bool(client_id)


EVENTS = {
    "STARTED": DagsterEventType.PIPELINE_START,
    "SUCCESS": DagsterEventType.PIPELINE_SUCCESS,
    "FAILURE": DagsterEventType.PIPELINE_FAILURE,
    "CANCELED": DagsterEventType.PIPELINE_CANCELED,
}

DAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], True),  # never, or Dagster was off at the time
        ([(4, "SUCCESS")], False),
        ([(2, "SUCCESS")], True),  # that was yesterday's
        ([(4, "FAILURE")], True),
        ([(4, "CANCELED"), (5, "FAILURE")], True),
        ([(4, "FAILURE"), (5, "SUCCESS")], False),
        ([(4, "STARTED")], False),
        ([(None, "NOT_STARTED")], False),
        ([(None, "CANCELED")], True),  # in the queue, before it began
    ],
)
@pytest.mark.parametrize("schedule", ["daily_reconciliation", "daily_retention"])
def test_a_daily_run_comes_again_each_hour_until_it_succeeds(
    schedule: str, runs: list[tuple[int | None, str]], expected: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    monkeypatch.setenv("STRAVA_RETENTION_DAYS", "365")
    assert (requested_at(DAY + 9 * HOUR, schedule, runs) is not None) is expected


def test_a_day_begins_with_the_moment_of_its_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRAVA_CLIENT_ID", "1")
    yesterdays: list[tuple[int | None, str]] = [(-20, "SUCCESS")]
    assert requested_at(DAY + 2 * HOUR, "daily_reconciliation", yesterdays) is None
    assert requested_at(DAY + 3 * HOUR, "daily_reconciliation", yesterdays) is not None


def test_a_reconciliation_that_met_the_rate_limit_waits_for_it_to_refill(environment: dict[str, str]):
    assert environment
    until = {NOT_BEFORE_TAG: (DAY + 10 * HOUR).isoformat()}
    runs: list[tuple[int | None, str]] = [(8, "FAILURE")]
    assert requested_at(DAY + 9 * HOUR, "daily_reconciliation", runs, until) is None
    assert requested_at(DAY + 10 * HOUR, "daily_reconciliation", runs, until) is not None


def test_a_reconciliation_that_meets_the_rate_limit_says_until_when_and_comes_again(
    environment: dict[str, str], simulation: Simulation
):
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    simulation.limits = RateLimits(overall=Limit(1000, 1000), read=Limit(100, 1))
    redis = Redis.from_url(environment["REDIS_URL"])
    redis.set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    simulation.faults.add(kind="status", status=429, path="/athlete/activities", count=None)
    definitions = build_definitions(Settings.from_environment())
    with dg.instance_for_test() as instance:
        job = definitions.resolve_job_def("reconcile_history")
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        [run] = instance.get_runs()
        until = datetime.fromisoformat(run.tags[NOT_BEFORE_TAG])
        assert until > datetime.now(UTC)
        schedule = definitions.resolve_schedule_def("daily_reconciliation")

        def tick(moment: datetime) -> object:
            return schedule(dg.build_schedule_context(instance, scheduled_execution_time=moment))

        assert isinstance(tick(until - timedelta(seconds=1)), dg.SkipReason)
        assert isinstance(tick(until + timedelta(seconds=1)), dg.RunRequest)


def requested_at(
    moment: datetime, schedule: str, runs: list[tuple[int | None, str]], tags: dict[str, str] | None = None
) -> dg.RunRequest | None:
    """What the schedule requests at that moment of the day, after runs that began at these hours."""
    definitions = build_definitions(Settings.from_environment())
    definition = definitions.resolve_schedule_def(schedule)
    with dg.instance_for_test() as instance:
        for began, status in runs:
            job = definitions.resolve_job_def(definition.job_name)
            run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
            for each in ["STARTED", status] if began is not None else [status]:
                if event_type := EVENTS.get(each):
                    event = dg.DagsterEvent(event_type.value, definition.job_name)
                    instance.run_storage.handle_run_event(run.run_id, event, DAY + (began or 0) * HOUR)
        found = definition(dg.build_schedule_context(instance, scheduled_execution_time=moment + timedelta(minutes=17)))
    return found if isinstance(found, dg.RunRequest) else None
