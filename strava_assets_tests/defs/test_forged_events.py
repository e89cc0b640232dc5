"""What events cost at most, and what they can do: nothing proves who sent them."""

from datetime import UTC, datetime

from strava_assets.hours import HOUR, Window
from strava_assets.simulator.limits import Limit, RateLimits
from strava_assets.state import keys
from strava_assets.state.revocations import Revocations
from strava_assets.webhooks.events import Event
from strava_assets.webhooks.pending_events import MAX_LATER, PendingEvent, PendingEvents
from strava_assets.webhooks.processing import MAX_LOOKUPS
from strava_assets_tests.athletes import at
from strava_assets_tests.defs.events_platform import DAYS_AGO, Platform, message


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
    assert "1 revoked, but Strava still grants access" in message(found)
    assert not Revocations(platform.redis).athletes()


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


def test_as_many_events_as_may_be_are_looked_up(platform: Platform):
    for number in range(MAX_LOOKUPS):
        platform.post("create", platform.strava.add_activity(42, start_date=at(DAYS_AGO + number * HOUR)))
    platform.tick()
    assert platform.lookups() == MAX_LOOKUPS


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


def test_repeated_and_reordered_events_cost_and_change_nothing_more(platform: Platform):
    activity = platform.strava.add_activity(42, start_date=at(DAYS_AGO))
    for aspect in ("delete", "update", "create", "update", "create", "delete"):
        platform.post(aspect, activity)
    assert platform.sync() == [Window.of(DAYS_AGO, DAYS_AGO)]
    assert platform.lookups() == 1
    assert platform.mirrored() == {activity}
