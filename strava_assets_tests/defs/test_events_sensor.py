"""From webhook events to runs: the sensor's ticks on real servers, and what no event can do."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.defs.build import build_definitions
from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG, window_of_tags
from strava_assets.defs.runs import attempts, request_for
from strava_assets.defs.sensors import windows_to_fetch
from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key, partition_key
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.limits import Limit, RateLimits
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.state.delayed_queue import Due
from strava_assets.state.refetch_queue import RefetchQueue, Requested
from strava_assets.state.revocations import Revocations
from strava_assets.webhooks.events import Event
from strava_assets.webhooks.pending_events import MAX_LATER, PendingEvent, PendingEvents
from strava_assets.webhooks.processing import MAX_LOOKUPS
from strava_assets_tests.dagster_runs import problem, tick

THIS_HOUR = floor_to_hour(datetime.now(UTC))
DAYS_AGO = THIS_HOUR - timedelta(days=4)
_times = itertools.count(1763812800)


def at(hour: datetime) -> str:
    return (hour + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")


class Platform:
    """The simulated Strava, Redis, and Dagster's instance."""

    def __init__(self, strava: Simulation, environment: dict[str, str], instance: dg.DagsterInstance) -> None:
        self.strava = strava
        self.redis = Redis.from_url(environment["REDIS_URL"])
        self.instance = instance
        self._database = make_url(environment["DATABASE_URL"])

    def post(self, aspect: str, activity_id: int, owner_id: int = 42) -> None:
        """Put an event into the stream, as the receiver does."""
        event = Event("activity", aspect, activity_id, owner_id, next(_times))
        self.redis.xadd(keys.EVENTS, {"event": event.to_json()})

    def post_revocation(self, athlete_id: int) -> None:
        event = Event("athlete", "update", athlete_id, athlete_id, next(_times), revokes=True)
        self.redis.xadd(keys.EVENTS, {"event": event.to_json()})

    def tick(self) -> dg.SensorResult:
        """One tick."""
        return tick("strava_events", self.instance)

    def sync(self) -> list[Window]:
        """A tick, and the runs that it requests; their windows."""
        requests = self.tick().run_requests or []
        for request in requests:
            self.run(request)
        return [window for request in requests if (window := window_of_tags(request.tags))]

    def run(self, request: dg.RunRequest, *, fails: bool = False) -> None:
        """Run what a tick requested, as the daemon does."""
        job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
        result = job.execute_in_process(instance=self.instance, tags=request.tags, raise_on_error=False)
        assert result.success is not fails, problem(result)

    def look_again(self) -> None:
        """Let the time pass after which events are looked up again."""
        later: Any = self.redis.zrange(keys.EVENTS_LATER, 0, -1)
        for entry in later:
            self.redis.zadd(keys.EVENTS_LATER, {entry: THIS_HOUR.timestamp()})

    def mirrored(self) -> set[int]:
        engine = create_engine(self._database)
        with engine.connect() as connection:
            found = set(connection.execute(text("SELECT id FROM strava_activity")).scalars())
        engine.dispose()
        return found

    def lookups(self) -> int:
        return sum(1 for each in self.strava.requests if each.path.startswith("/api/v3/activities/"))


def requested(result: dg.SensorResult) -> list[Window]:
    tags = [request.tags for request in result.run_requests or [] if request.job_name == "sync_hours"]
    return [
        Window.of(
            from_partition_key(each["dagster/asset_partition_range_start"]),
            from_partition_key(each["dagster/asset_partition_range_end"]),
        )
        for each in tags
    ]


def message(result: dg.SensorResult) -> str:
    assert isinstance(result.skip_reason, dg.SkipReason)
    return result.skip_reason.skip_message or ""


@pytest.fixture
def platform(environment: dict[str, str], simulation: Simulation) -> Iterator[Platform]:
    """One athlete, logged in, and migrated tables."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(simulation, environment, instance)


def test_an_upload_is_looked_up_and_its_hour_fetched(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    platform.post("create", activity)
    assert platform.sync() == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert platform.mirrored() == {activity}
    assert platform.lookups() == 1
    platform.look_again()
    assert platform.sync() == []
    assert platform.lookups() == 1
    assert message(platform.tick()) == "No events."
    assert platform.redis.xlen(keys.EVENTS) == 0
    assert platform.redis.zcard(keys.EVENTS_LATER) == 0


def test_an_activity_that_moved_refreshes_both_hours_as_one_run(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    platform.post("create", activity)
    platform.sync()
    platform.strava.edit(activity, start_date=at(THIS_HOUR - 3 * HOUR))
    platform.post("update", activity)
    assert platform.sync() == [Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR)]
    assert platform.mirrored() == {activity}


def test_a_deletion_is_confirmed_and_its_hour_fetched(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", activity)
    platform.sync()
    platform.strava.delete(activity)
    platform.post("delete", activity)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.mirrored() == set()
    lookups = platform.lookups()
    platform.look_again()
    assert message(platform.tick()) == "Events: 1 known already."
    assert platform.lookups() == lookups


def test_an_update_of_what_is_gone_is_a_deletion(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", activity)
    platform.sync()
    platform.strava.delete(activity)
    platform.post("update", activity)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.mirrored() == set()


def test_an_upload_that_strava_still_processes_is_looked_at_again(platform: Platform):
    coming = 154504250379999
    platform.post("create", coming)
    assert "1 not at Strava" in message(platform.tick())
    assert message(platform.tick()) == "No events."
    platform.strava.add_activity(42, id=coming, start_date=at(THIS_HOUR))
    platform.look_again()
    assert platform.sync() == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert platform.mirrored() == {coming}


def test_an_upload_that_never_arrives_is_given_up_after_a_while(platform: Platform):
    platform.post("create", 1)
    for _ in range(7):
        found = platform.tick()
        platform.look_again()
    assert "An announced change does not arrive" in message(found)
    assert platform.lookups() == 7
    platform.tick()
    assert platform.redis.zcard(keys.EVENTS_LATER) == 0


def test_a_tick_whose_runs_never_came_to_be_is_repeated(platform: Platform):
    platform.post("create", platform.strava.add_activity(42, start_date=at(DAYS_AGO)))
    RefetchQueue(platform.redis).request(Window.of(THIS_HOUR, THIS_HOUR), "rate limit")
    expected = {Window.of(THIS_HOUR, THIS_HOUR), Window.of(DAYS_AGO, DAYS_AGO)}
    assert set(requested(platform.tick())) == expected
    assert set(platform.sync()) == expected
    assert requested(platform.tick()) == []
    assert platform.redis.zcard(keys.REFETCH_QUEUE) == 0


def test_events_wait_for_a_database_that_is_away_and_requested_hours_do_not(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    platform.post("create", platform.strava.add_activity(42, start_date=at(DAYS_AGO)))
    RefetchQueue(platform.redis).request(Window.of(THIS_HOUR, THIS_HOUR), "reconcile")
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/nowhere")
        assert requested(platform.tick()) == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert set(platform.sync()) == {Window.of(DAYS_AGO, DAYS_AGO), Window.of(THIS_HOUR, THIS_HOUR)}
    assert len(platform.mirrored()) == 1


def test_hours_requested_again_meanwhile_are_not_forgotten(platform: Platform):
    queue = RefetchQueue(platform.redis)
    window = Window.of(DAYS_AGO, THIS_HOUR)
    queue.request(window, "reconcile")
    [request] = platform.tick().run_requests or []
    platform.run(request)
    queue.request(window, "rate limit", not_before=datetime.now(UTC) + timedelta(minutes=15))
    assert requested(platform.tick()) == []
    assert [each.window for each in queue.due(datetime.now(UTC) + timedelta(minutes=16))] == [window]


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


def test_repeated_and_reordered_events_cost_and_change_nothing_more(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    for aspect in ("delete", "update", "create", "update", "create", "delete"):
        platform.post(aspect, activity)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.lookups() == 1
    assert platform.mirrored() == {activity}


def test_forged_events_do_nothing(platform: Platform):
    private = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", private)
    platform.sync()
    made = len(platform.strava.requests)
    platform.post("delete", private, owner_id=43)  # nobody's
    platform.post("create", 2**62, owner_id=43)
    platform.redis.xadd(keys.EVENTS, {"event": "no JSON"})
    platform.redis.xadd(keys.EVENTS, {"other": "field"})
    assert "2 of unknown athletes" in message(platform.tick())
    assert len(platform.strava.requests) == made
    platform.post("delete", private)  # a lie: the listing still has it
    platform.sync()
    assert platform.mirrored() == {private}
    platform.post_revocation(42)  # a lie: Strava lets the athlete be read
    found = platform.tick()
    assert "1 revoked, which Strava denies so far" in message(found)
    assert not Revocations(platform.redis).athletes()


def test_many_events_at_once_are_compared_in_place_of_looked_up(platform: Platform):
    count = MAX_LOOKUPS + 5
    uploaded = {platform.strava.add_activity(42, start_date=at(DAYS_AGO + n * HOUR)) for n in range(count)}
    for activity in uploaded:
        platform.post("create", activity)
    made = len(platform.strava.requests)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO + (count - 1) * HOUR)]
    assert platform.lookups() == 0
    assert len(platform.strava.requests) - made <= 4
    assert platform.mirrored() == uploaded
    assert message(platform.tick()) == "No events."


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


def test_a_spent_quota_keeps_events_until_it_refills(platform: Platform, monkeypatch: pytest.MonkeyPatch):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", activity)
    with monkeypatch.context() as patched:
        patched.setattr("strava_assets.strava.client.StravaClient.activity", spent)
        assert "Come back later." in message(platform.tick())
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]


def spent(*_: Any) -> None:
    from strava_assets.errors import RateLimitExceeded

    raise RateLimitExceeded("Come back later.", THIS_HOUR)


def test_a_broken_activity_does_not_hold_up_the_others(platform: Platform):
    broken = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    whole = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.strava.faults.add(kind="status", status=500, path=f"/activities/{broken}", count=4)
    platform.post("update", broken)
    platform.post("create", whole)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    platform.look_again()
    assert platform.sync() == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert platform.mirrored() == {broken, whole}


def test_a_revocation_event_is_kept_as_evidence_and_strava_is_asked_once(platform: Platform):
    platform.strava.revoke(42)
    platform.post_revocation(42)
    assert "Strava has refused the refresh token of athlete 42" in message(platform.tick())
    made = len(platform.strava.requests)
    platform.post_revocation(42)
    platform.tick()
    assert len(platform.strava.requests) == made
    assert platform.redis.hexists("strava:evidence:STRAVA_TOKEN", "event")


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


def test_a_thousand_forged_deletions_cost_a_request_and_no_run(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", activity)
    platform.sync()
    made = len(platform.strava.requests)
    for _ in range(1000):
        platform.post("delete", activity)
    for _ in range(5):
        assert platform.sync() == []
        platform.look_again()
    assert len(platform.strava.requests) - made <= 3
    assert platform.redis.zcard(keys.EVENTS_LATER) == 0
    assert platform.mirrored() == {activity}


def test_events_cost_a_part_of_the_days_requests_and_no_more(platform: Platform):
    platform.strava.limits = RateLimits(overall=Limit(2000, 2000), read=Limit(1000, 1000))
    activities = [platform.strava.add_activity(42, start_date=at(DAYS_AGO - n * HOUR)) for n in range(15)]
    tick_costs = []
    for _ in range(40):
        for activity in activities:
            platform.post("update", activity)
        made = len(platform.strava.requests)
        platform.tick()
        tick_costs.append(len(platform.strava.requests) - made)
    assert sum(tick_costs) <= 200  # a fifth of a day's 1,000
    assert tick_costs[-1] == 0
    assert platform.redis.xlen(keys.EVENTS) == 0


def test_one_entry_waits_for_each_activity_and_kind_and_no_more_than_a_bound(platform: Platform):
    pending = PendingEvents(platform.redis)
    now = datetime.now(UTC)
    for number in range(MAX_LATER + 100):
        for _ in range(3):
            event = Event("activity", "create", 1 + number, 42)
            pending.look_up_later(PendingEvent(event, 0, "0-1"), now)
    assert platform.redis.zcard(keys.EVENTS_LATER) == MAX_LATER
    assert platform.redis.hlen(f"{keys.EVENTS_LATER}:notes") == MAX_LATER
    assert pending.delete_athlete(42) == MAX_LATER
    assert platform.redis.hlen(f"{keys.EVENTS_LATER}:notes") == 0


@pytest.mark.parametrize("status", [400, 403, 410])
def test_an_event_with_an_unexpected_answer_is_that_events_error_alone(platform: Platform, status: int):
    odd = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    good = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.strava.faults.add(kind="status", status=status, path=f"/activities/{odd}", count=1000)
    for _ in range(3):
        platform.post("update", odd)
    platform.post("create", good)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.redis.xlen(keys.EVENTS) == 0
    for _ in range(8):
        platform.look_again()
        found = platform.tick()
    assert platform.redis.zcard(keys.EVENTS_LATER) == 0
    assert message(found) == "No events."
    assert platform.mirrored() == {good}


def test_nothing_personal_is_left_in_a_tick(platform: Platform):
    platform.post("create", 154504250379999)
    found = platform.tick()
    assert "154504250379999" not in message(found)
    assert not found.cursor


def test_an_idle_tick_opens_nothing_but_redis(platform: Platform, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> None:
        pytest.fail("it was opened")

    monkeypatch.setattr("strava_assets.defs.resources.StravaApi.open", fail)
    monkeypatch.setattr("strava_assets.defs.resources.Postgres.open", fail)
    assert message(platform.tick()) == "No events."


def test_with_nothing_set_up_a_tick_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    with dg.DagsterInstance.ephemeral() as instance:
        found = tick("strava_events", instance)
    assert "Redis at 127.0.0.1:1 does not answer" in message(found)
    assert len(message(found).splitlines()) == 1
