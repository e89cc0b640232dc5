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
from strava_assets.defs.run_tags import FETCHED_TAG
from strava_assets.defs.sensors import windows_to_fetch
from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key, partition_key
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.delayed_queue import DelayedQueue
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.revocations import Revocations
from strava_assets.webhooks.events import STREAM, Event
from strava_assets.webhooks.pending_events import LATER_KEY, Handled
from strava_assets.webhooks.processing import MAX_LOOKUPS
from strava_assets_tests.dagster_runs import problem, run, tick

THIS_HOUR = floor_to_hour(datetime.now(UTC))
DAYS_AGO = THIS_HOUR - timedelta(days=4)
_times = itertools.count(1763812800)


def at(hour: datetime) -> str:
    return (hour + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")


class Platform:
    """The simulated Strava, Redis, Dagster's instance, and the sensor's cursor between ticks."""

    def __init__(self, strava: Simulation, environment: dict[str, str], instance: dg.DagsterInstance) -> None:
        self.strava = strava
        self.redis = Redis.from_url(environment["REDIS_URL"])
        self.instance = instance
        self.cursor: str | None = None
        self._database = make_url(environment["DATABASE_URL"])

    def post(self, aspect: str, activity_id: int, owner_id: int = 42) -> None:
        """Put an event into the stream, as the receiver does."""
        event = Event("activity", aspect, activity_id, owner_id, next(_times))
        self.redis.xadd(STREAM, {"event": event.to_json()})

    def post_revocation(self, athlete_id: int) -> None:
        event = Event("athlete", "update", athlete_id, athlete_id, next(_times), revokes=True)
        self.redis.xadd(STREAM, {"event": event.to_json()})

    def tick(self, *, succeeds: bool = True) -> dg.SensorResult:
        """One tick; its cursor is kept unless the tick is said to die before that."""
        found = tick("strava_events", self.instance, self.cursor)
        if succeeds:
            self.cursor = found.cursor
        return found

    def sync(self) -> list[Window]:
        """A tick, and the runs that it requests; their windows."""
        windows = requested(self.tick())
        for window in windows:
            result = run(window)
            assert result.success, problem(result)
        return windows

    def look_again(self) -> None:
        """Let the time pass after which hints are looked at again."""
        postponed = DelayedQueue(self.redis, LATER_KEY)
        for entry in postponed.all():
            postponed.postpone(entry, THIS_HOUR)

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


def said(result: dg.SensorResult) -> str:
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
    assert said(platform.tick()) == "No events."
    assert platform.redis.xlen(STREAM) == 0
    assert platform.redis.zcard(LATER_KEY) == 0


def test_an_activity_that_moved_refreshes_both_hours_as_one_run(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    platform.post("create", activity)
    platform.sync()
    platform.strava.edit(activity, start_date=at(THIS_HOUR - 3 * HOUR))
    platform.post("update", activity)
    assert platform.sync() == [Window.of(THIS_HOUR - 3 * HOUR, THIS_HOUR)]
    assert platform.mirrored() == {activity}


def test_a_deletion_is_found_in_the_mirror_without_a_request(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    platform.post("create", activity)
    platform.sync()
    lookups = platform.lookups()
    platform.strava.delete(activity)
    platform.post("delete", activity)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.mirrored() == set()
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
    assert "1 not at Strava" in said(platform.tick())
    assert said(platform.tick()) == "No events."
    platform.strava.add_activity(42, id=coming, start_date=at(THIS_HOUR))
    platform.look_again()
    assert platform.sync() == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert platform.mirrored() == {coming}


def test_an_upload_that_never_arrives_is_given_up_after_a_while(platform: Platform):
    platform.post("create", 1)
    for _ in range(7):
        found = platform.tick()
        platform.look_again()
    assert "Activity 1 was announced, but does not arrive" in said(found)
    assert platform.lookups() == 7
    platform.tick()
    assert platform.redis.zcard(LATER_KEY) == 0


def test_a_tick_that_died_is_repeated(platform: Platform):
    platform.post("create", platform.strava.add_activity(42, start_date=at(DAYS_AGO)))
    RefetchQueue(platform.redis).ask(Window.of(THIS_HOUR, THIS_HOUR), not_before=THIS_HOUR)
    expected = [Window.of(THIS_HOUR, THIS_HOUR), Window.of(DAYS_AGO, DAYS_AGO)]
    assert requested(platform.tick(succeeds=False)) == expected
    assert requested(platform.tick()) == expected
    assert requested(platform.tick()) == []


def test_hours_asked_for_again_meanwhile_are_not_forgotten(platform: Platform):
    asked = RefetchQueue(platform.redis)
    window = Window.of(DAYS_AGO, THIS_HOUR)
    asked.ask(window, not_before=THIS_HOUR)
    assert requested(platform.tick()) == [window]
    # The run that was requested finds the quota spent.
    asked.ask(window, not_before=datetime.now(UTC) + timedelta(minutes=15))
    assert requested(platform.tick()) == []
    assert asked.due(datetime.now(UTC) + timedelta(minutes=16)) == [window]


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
    platform.redis.xadd(STREAM, {"event": "no JSON"})
    platform.redis.xadd(STREAM, {"other": "field"})
    assert "2 of unknown athletes" in said(platform.tick())
    assert len(platform.strava.requests) == made
    platform.post("delete", private)  # a lie: the listing still has it
    platform.sync()
    assert platform.mirrored() == {private}
    platform.post_revocation(42)  # a lie: Strava lets the athlete be read
    found = platform.tick()
    assert "1 revoked, which Strava denies so far" in said(found)
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
    assert said(platform.tick()) == "No events."


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
        assert "Come back later." in said(platform.tick())
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
    assert "Strava has refused the refresh token of athlete 42" in said(platform.tick())
    made = len(platform.strava.requests)
    platform.post_revocation(42)
    platform.tick()
    assert len(platform.strava.requests) == made
    assert platform.redis.hexists("strava:evidence:STRAVA_TOKEN", "event")


@pytest.mark.parametrize("cursor", [None, "", "nonsense", "{}", '{"at": 1}'])
def test_a_cursor_of_something_else_is_none(cursor: str | None):
    assert Handled.from_cursor(cursor) is None


def test_only_partitions_that_exist_are_requested():
    partitions = Window.of(DAYS_AGO, THIS_HOUR)
    future, before = THIS_HOUR + 5 * HOUR, DAYS_AGO - HOUR
    assert windows_to_fetch({future, before, THIS_HOUR}, [], partitions) == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert windows_to_fetch({DAYS_AGO}, [Window.of(before, future)], partitions) == [partitions]
    assert windows_to_fetch([], [Window.of(before, before)], partitions) == []
