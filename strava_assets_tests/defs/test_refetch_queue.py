"""From the refetch queue to runs: hours leave it when a run has fetched them, and not before."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from strava_assets.defs.build import build_definitions
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG, REASON_TAG, window_of_tags
from strava_assets.defs.runs import attempts, request_for
from strava_assets.defs.sensors import windows_to_fetch
from strava_assets.hours import HOUR, Window, partition_key
from strava_assets.settings import Settings
from strava_assets.state import keys
from strava_assets.state.delayed_queue import Due
from strava_assets.state.refetch_queue import RefetchQueue, Requested
from strava_assets_tests.athletes import at
from strava_assets_tests.defs.events_platform import DAYS_AGO, THIS_HOUR, Platform, message, requested


def test_hours_requested_again_meanwhile_are_not_forgotten(platform: Platform):
    queue = RefetchQueue(platform.redis)
    window = Window.of(DAYS_AGO, THIS_HOUR)
    queue.request(window, "reconcile")
    [request] = platform.tick().run_requests or []
    platform.run(request)
    queue.request(window, "rate limit", not_before=datetime.now(UTC) + timedelta(minutes=15))
    assert requested(platform.tick()) == []
    assert [each.window for each in queue.due(datetime.now(UTC) + timedelta(minutes=16))] == [window]


def test_hours_that_version_0_1_0_requested_are_fetched(platform: Platform):
    stored = f"{THIS_HOUR.isoformat()}/{(THIS_HOUR + HOUR).isoformat()}"
    platform.redis.zadd("strava:asked", {stored: DAYS_AGO.timestamp()})
    [request] = platform.tick().run_requests or []
    assert window_of_tags(request.tags) == Window.of(THIS_HOUR, THIS_HOUR)
    assert request.tags[REASON_TAG] == "rate limit"


def test_requested_hours_are_forgotten_only_when_a_run_succeeded_and_come_again_in_halves(platform: Platform):
    queue = RefetchQueue(platform.redis)
    window = Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR)
    queue.request(window, "reconcile")
    [request] = platform.tick().run_requests or []
    platform.strava.faults.add(kind="status", status=403, path="/athlete/activities", count=1)
    platform.run(request, fails=True)
    assert requested(platform.tick()) == []  # not at once
    later = datetime.now(UTC) + timedelta(minutes=2)
    halves = windows_to_fetch(queue.due(later), window, attempts(platform.instance, Names(), DAYS_AGO), later)
    assert [half for half, _ in halves] == [
        Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR - 2 * HOUR),
        Window.of(THIS_HOUR - HOUR, THIS_HOUR),
    ]
    platform.run(request_for(halves[0][0], Names(), "reconcile"))
    assert platform.tick()
    left = windows_to_fetch(queue.due(later), window, attempts(platform.instance, Names(), DAYS_AGO), later)
    assert [half for half, _ in left] == [halves[1][0]]
    platform.run(request_for(halves[1][0], Names(), "reconcile"))
    assert message(platform.tick()) == "No events."
    assert queue.due(later) == []


def test_a_span_in_which_an_activity_without_a_start_may_lie_is_not_cut(platform: Platform):
    queue = RefetchQueue(platform.redis)
    window, span = Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR), Window.of(THIS_HOUR - 2 * HOUR, THIS_HOUR - HOUR)
    queue.request(window, "reconcile", whole=[span, Window.of(DAYS_AGO, DAYS_AGO + HOUR)])
    [request] = platform.tick().run_requests or []
    platform.strava.faults.add(kind="status", status=403, path="/athlete/activities", count=1)
    platform.run(request, fails=True)
    later = datetime.now(UTC) + timedelta(minutes=2)
    pieces = windows_to_fetch(queue.due(later), window, attempts(platform.instance, Names(), DAYS_AGO), later)
    assert [piece for piece, _ in pieces] == [
        Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR - 3 * HOUR),
        span,
        Window.of(THIS_HOUR, THIS_HOUR),
    ]


def test_hours_without_a_partition_leave_the_queue(platform: Platform):
    queue = RefetchQueue(platform.redis)
    long_ago, future = datetime(2020, 1, 1, tzinfo=UTC), THIS_HOUR + 5 * HOUR
    for hour in (long_ago, future):
        queue.request(Window.of(hour, hour), "events")
    assert requested(platform.tick()) == []
    assert platform.redis.zcard(keys.REFETCH_QUEUE) == 0


def test_due_hours_are_few_runs_and_no_more_than_five_at_once(platform: Platform):
    queue = RefetchQueue(platform.redis)
    for number in range(40):
        queue.request(Window.of(DAYS_AGO + number * HOUR, DAYS_AGO + number * HOUR), "events")
    assert requested(platform.tick()) == [Window.of(DAYS_AGO, DAYS_AGO + 39 * HOUR)]
    for number in range(2, 30):
        hour = DAYS_AGO - number * timedelta(days=2)
        queue.request(Window.of(hour, hour), "events")
    requests = platform.tick().run_requests or []
    assert len(requests) == 5
    job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
    for request in requests[:4]:
        platform.instance.create_run_for_job(job, tags=request.tags, status=dg.DagsterRunStatus.NOT_STARTED)
    assert len(requested(platform.tick())) == 1


def test_hours_that_met_the_rate_limit_wait_for_it_whoever_requested_them_before(platform: Platform):
    queue = RefetchQueue(platform.redis)
    for hour in (DAYS_AGO, THIS_HOUR):
        queue.request(Window.of(hour, hour), "events")
    queue.request(Window.of(DAYS_AGO, THIS_HOUR), "rate limit", not_before=datetime.now(UTC) + timedelta(minutes=15))
    assert requested(platform.tick()) == []
    [later] = queue.due(datetime.now(UTC) + timedelta(minutes=16))
    assert later.window == Window.of(DAYS_AGO, THIS_HOUR)


@pytest.mark.parametrize(
    ("status", "tags", "expected"),
    [
        (dg.DagsterRunStatus.QUEUED, {}, 0),
        (dg.DagsterRunStatus.STARTED, {}, 1),  # it may have asked Strava before the upload
        (dg.DagsterRunStatus.QUEUED, {FETCHED_TAG: "2026-11-22"}, 1),  # it only records an import
    ],
)
def test_what_a_queued_run_will_fetch_is_not_requested_again(
    platform: Platform, status: dg.DagsterRunStatus, tags: dict[str, str], expected: int
):
    platform.post("create", platform.strava.add_activity(42, start_date=at(DAYS_AGO)))
    code = RegisteredCodeLocationOrigin("strava_assets")
    platform.instance.create_run_for_job(
        build_definitions(Settings.from_environment()).resolve_job_def("sync_hours"),
        tags={"dagster/partition": partition_key(DAYS_AGO), **tags},
        status=status,
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(code, "__repository__"), "sync_hours"),
    )
    assert len(requested(platform.tick())) == expected


def due(window: Window) -> Requested:
    return Requested(window, DAYS_AGO, "events", Due("", DAYS_AGO, ""))


def test_only_partitions_that_exist_are_requested():
    partitions = Window.of(DAYS_AGO, THIS_HOUR)
    future, before = THIS_HOUR + 5 * HOUR, DAYS_AGO - HOUR

    def wanted(*windows: Window) -> list[Window]:
        return [window for window, _ in windows_to_fetch(map(due, windows), partitions, [], THIS_HOUR)]

    assert wanted(*(Window.of(hour, hour) for hour in (future, before, THIS_HOUR))) == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert wanted(Window.of(before, future), Window.of(DAYS_AGO, DAYS_AGO)) == [partitions]
    assert wanted(Window.of(before, before)) == []
