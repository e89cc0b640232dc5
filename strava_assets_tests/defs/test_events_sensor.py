"""From webhook events to runs: the sensor's ticks on real servers."""

import json
from typing import Any

import dagster as dg
import pytest

from strava_assets.hours import HOUR, Window
from strava_assets.state import keys
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import tick
from strava_assets_tests.defs.events_platform import DAYS_AGO, THIS_HOUR, Platform, message, requested


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "A change that an event announced is not visible yet" in message(found)
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


def test_a_revocation_event_is_kept_as_evidence_and_checked_once(platform: Platform):
    platform.strava.revoke(42)
    platform.post_revocation(42)
    assert "Strava has refused the refresh token of athlete 42" in message(platform.tick())
    made = len(platform.strava.requests)
    platform.post_revocation(42)
    platform.tick()
    assert len(platform.strava.requests) == made
    assert platform.redis.hexists("strava:evidence:STRAVA_TOKEN", "event")


def test_an_athlete_who_may_not_be_read_is_requested_once_per_tick_and_the_others_go_on(platform: Platform):
    platform.strava.add_athlete(43)
    platform.redis.set("STRAVA_TOKEN:43", json.dumps(platform.strava.grant(43)))
    refused = [platform.strava.add_activity(43, start_date=at(DAYS_AGO)) for _ in range(3)]
    for activity in refused:
        platform.strava.faults.add(kind="status", status=401, path=f"/activities/{activity}", count=None)
        platform.post("create", activity, owner_id=43)
    whole = platform.strava.add_activity(42, start_date=at(THIS_HOUR))
    platform.post("create", whole)
    assert platform.sync() == [Window.of(THIS_HOUR, THIS_HOUR)]
    assert len({each.path for each in platform.strava.requests if "/activities/" in each.path}) == 2
    platform.strava.faults.clear()
    platform.look_again()
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.mirrored() == {whole, *refused}


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
