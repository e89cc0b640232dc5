"""What the sensor and the reconciliation find, and what they let be."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from strava_assets.errors import ConfigurationError
from strava_assets.hours import HOUR, Window, floor_to_hour, partition_key
from strava_assets.mirror.differences import Differences, Known, differences
from strava_assets.services import open_client, open_deletion, open_engine, open_redis, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.sync.compare import MAX_WINDOWS, Comparison, make_comparer
from strava_assets.sync.fetch import make_fetcher
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import problem, run
from strava_assets_tests.equality import rows

NOW = datetime.now(UTC)
THIS_HOUR = floor_to_hour(NOW)
DAY = timedelta(days=1)
DAYS_AGO = THIS_HOUR - timedelta(days=4)


def compare(days: float = 5, **options: int) -> Comparison:
    settings = Settings.from_environment()
    with open_client(settings) as client:
        comparer = make_comparer(client, open_store(settings), open_engine(settings), settings.max_delete_share)
        return comparer.compare(settings.hours_since(NOW - timedelta(days=days), NOW), **options)


def refresh(comparison: Comparison) -> None:
    for window in comparison.windows:
        result = run(window)
        assert result.success, problem(result)


def test_each_kind_of_difference_names_the_hours_to_refresh():
    hours = [THIS_HOUR - n * HOUR for n in range(5)]
    listed: dict[int | str, Known] = {
        1: Known(hours[0], "same"),
        2: Known(hours[1], "edited"),
        3: Known(hours[2], "same"),
        4: Known(hours[3], "new"),
        "no id": Known(hours[4], "undated", is_dated=False),
    }
    here: dict[int | str, Known] = {
        1: Known(hours[0], "same"),
        2: Known(hours[1], "as it was"),
        3: Known(hours[0], "same"),
        5: Known(hours[4], "gone"),
        "no id": Known(hours[0], "undated"),  # its hour is a guess on both sides
    }
    found = differences(listed, here)
    assert found.by_kind() == {
        "new": {4: {hours[3]}},
        "changed": {2: {hours[1]}},
        "moved": {3: {hours[0], hours[2]}},
        "gone": {5: {hours[4]}},
        "unmirrored": {},
    }
    assert str(found) == "1 new, 1 changed, 1 moved, 1 gone"
    assert str(differences({}, {})) == "nothing differs"


def test_after_a_pass_nothing_differs_whatever_happened(strava: Simulation):
    late, edited, moved, deleted, broken = (
        strava.add_activity(42, start_date=at(DAYS_AGO + n * HOUR)) for n in range(5)
    )
    refresh(compare())
    assert compare().windows == []
    strava.edit(edited, name="Another name")
    strava.edit(moved, start_date=at(DAYS_AGO + 50 * HOUR))
    strava.edit(broken, distance="far")
    strava.delete(deleted)
    strava.edit(late, kudos_count=99, comment_count=7)
    found = compare()
    assert {kind: set(each) for kind, each in found.differences[42].by_kind().items()} == {
        "new": set(),
        "changed": {edited, broken},
        "moved": {moved},
        "gone": {deleted},
        "unmirrored": set(),
    }
    assert found.windows == [
        Window.of(DAYS_AGO + 1 * HOUR, DAYS_AGO + 4 * HOUR),
        Window.of(DAYS_AGO + 50 * HOUR, DAYS_AGO + 50 * HOUR),
    ]
    refresh(found)
    assert compare().windows == []


def test_what_a_dead_run_wrote_but_never_mirrored_is_fetched_again(strava: Simulation):
    activity = strava.add_activity(42, start_date=at(DAYS_AGO))
    settings = Settings.from_environment()
    store, redis = open_store(settings), open_redis(settings)
    with open_client(settings) as client:
        fetcher = make_fetcher(client, store, open_engine(settings), redis, settings.max_delete_share)
        fetcher.fetch(Window.of(DAYS_AGO, DAYS_AGO))
    strava.delete(activity)  # so the listing, and the mirror too, do not know it: only the object does
    found = compare()
    assert str(found.differences[42]) == "1 unmirrored"
    assert found.windows == [Window.of(DAYS_AGO, DAYS_AGO)]
    refresh(found)
    assert dict(store.read(42, [DAYS_AGO])) == {DAYS_AGO: []}
    assert compare().windows == []


def test_an_activity_that_moved_does_not_stay_in_the_object_of_its_old_hour(strava: Simulation):
    moved = strava.add_activity(42, start_date=at(DAYS_AGO))
    refresh(compare())
    strava.edit(moved, start_date=at(DAYS_AGO + 50 * HOUR))
    assert run(DAYS_AGO + 50 * HOUR).success  # somebody materialises the new hour alone
    found = compare()
    assert set(found.differences[42].unmirrored) == {partition_key(DAYS_AGO)}
    refresh(found)
    assert dict(open_store(Settings.from_environment()).read(42, [DAYS_AGO])) == {DAYS_AGO: []}
    assert compare().windows == []


def test_nor_where_both_hours_are_loaded_before_the_old_one_is_fetched_again(strava: Simulation):
    """A fetch died between the two objects, then the table alone was made again."""
    moved = strava.add_activity(42, start_date=at(DAYS_AGO))
    assert run(DAYS_AGO).success
    before = DAYS_AGO - 10 * HOUR
    strava.edit(moved, start_date=at(before))
    time.sleep(1.1)  # S3 tells by the second which object is newer
    assert run(before, select="raw_activities").success
    assert run(Window.of(before, DAYS_AGO), select="strava_activity").success
    found = compare()
    assert [window for window in found.windows if DAYS_AGO in window]
    refresh(found)
    store = open_store(Settings.from_environment())
    held = {hour for hour, activities in store.read(42, [before, DAYS_AGO]) if activities}
    assert held == {before}
    assert compare().windows == []


def test_objects_that_somebody_deleted_or_changed_are_written_again(strava: Simulation):
    strava.add_activity(42, start_date=at(DAYS_AGO))
    strava.add_activity(42, start_date=at(DAYS_AGO + HOUR))
    refresh(compare())
    store = open_store(Settings.from_environment())
    before = dict(store.read(42, [DAYS_AGO, DAYS_AGO + HOUR]))
    open_deletion(Settings.from_environment()).delete_before(DAYS_AGO + HOUR)
    store.write(42, {DAYS_AGO + HOUR: []})
    found = compare()
    assert set(found.differences[42].unmirrored) == {partition_key(DAYS_AGO), partition_key(DAYS_AGO + HOUR)}
    refresh(found)
    assert dict(store.read(42, [DAYS_AGO, DAYS_AGO + HOUR])) == before
    assert compare().windows == []


def test_an_activity_moved_in_from_before_the_look_back_refreshes_its_old_hour_too(strava: Simulation):
    old_hour = THIS_HOUR - timedelta(days=9)
    moved = strava.add_activity(42, start_date=at(old_hour))
    refresh(compare(days=10))
    strava.edit(moved, start_date=at(DAYS_AGO))
    assert compare(days=5).differences[42].hours == {old_hour, DAYS_AGO}


def test_an_invalid_activity_moved_in_from_before_the_look_back_refreshes_its_old_hour_too(strava: Simulation):
    old_hour = THIS_HOUR - timedelta(days=9)
    moved = strava.add_activity(42, start_date=at(old_hour), distance="far")
    refresh(compare(days=10))
    strava.edit(moved, start_date=at(DAYS_AGO))
    assert compare(days=5).differences[42].hours == {old_hour, DAYS_AGO}


def test_a_comparison_of_one_athlete_reports_nothing_of_others(strava: Simulation, redis_url: str):
    assert strava
    Redis.from_url(redis_url).set("STRAVA_TOKEN:43", "no JSON")
    assert len(compare().problems) == 1
    assert compare(only=42).problems == []


def test_a_comparison_costs_a_request_for_200_activities_and_one_more(strava: Simulation):
    for number in range(150):
        strava.add_activity(42, start_date=at(DAYS_AGO + number % 40 * HOUR))
    before = len(strava.requests)
    compare()
    assert len(strava.requests) - before == 2


@pytest.mark.slow
def test_a_mass_deletion_stops_and_can_be_confirmed(strava: Simulation):
    ids = [strava.add_activity(42, start_date=at(DAYS_AGO + n * HOUR)) for n in range(20)]
    refresh(compare())
    for each in ids[:8]:
        strava.delete(each)
    strava.edit(ids[9], name="Another name")
    added = strava.add_activity(42, start_date=at(DAYS_AGO + 30 * HOUR))
    found = compare()
    assert "no longer lists 8 of athlete 42's 20 activities" in str(found.held_back[42])
    assert "--confirm-deletions" in str(found.held_back[42])
    assert str(found.differences[42]) == "1 new, 1 changed"
    refresh(found)
    assert set(rows(dict(os.environ))) == {*ids, added}
    assert rows(dict(os.environ))[ids[9]]["name"] == "Another name"
    assert compare().windows == []
    confirmed = compare(confirmed=42)
    assert len(confirmed.differences[42].gone) == 8
    refresh(confirmed)
    assert set(rows(dict(os.environ))) == {*ids[8:], added}
    found = compare()
    assert (found.windows, found.problems) == ([], [])


def test_an_activity_without_a_start_is_found_between_its_neighbours_and_kept_as_a_reject(strava: Simulation):
    """Strava lists it where it started, but only the neighbours say where that is."""
    strava.add_activity(42, start_date=at(DAYS_AGO))
    lost = strava.add_activity(42, start_date=at(DAYS_AGO + 30 * HOUR))
    strava.add_activity(42, start_date=at(DAYS_AGO + 60 * HOUR))
    strava.edit(lost, start_date=None)
    found = compare()
    assert found.windows == [Window.of(DAYS_AGO, DAYS_AGO + 60 * HOUR)]
    refresh(found)
    assert compare().windows == []


def test_an_activity_without_a_start_is_not_lost_when_a_part_of_where_it_may_lie_is_fetched_again(strava: Simulation):
    before = strava.add_activity(42, start_date=at(DAYS_AGO))
    lost = strava.add_activity(42, start_date=at(DAYS_AGO + 30 * HOUR))
    strava.add_activity(42, start_date=at(DAYS_AGO + 60 * HOUR))
    strava.edit(lost, start_date=None)
    refresh(compare())
    strava.edit(before, name="Another name")  # in the hour that holds the lost one, too
    found = compare()
    assert str(found.differences[42]) == "1 changed"
    assert found.windows == [Window.of(DAYS_AGO, DAYS_AGO + 60 * HOUR)]
    refresh(found)
    assert compare().windows == []


def test_a_range_that_cannot_be_refreshed_is_cut_beside_where_an_activity_without_a_start_may_lie():
    start = datetime(2026, 11, 22, tzinfo=UTC)
    span, whole = Window.of(start + 3 * HOUR, start + 6 * HOUR), Window.of(start, start + 9 * HOUR)
    comparison = Comparison({42: Differences(changed={1: set(whole.hours())})}, undated=[span])
    assert comparison.pieces(whole) == [
        Window.of(start, start + 2 * HOUR),
        span,
        Window.of(start + 7 * HOUR, start + 9 * HOUR),
    ]
    assert Comparison({42: Differences(changed={1: set(span.hours())})}, undated=[span]).pieces(span) == []


def test_an_activity_in_the_future_is_left_alone(strava: Simulation):
    strava.add_activity(42, start_date=at(THIS_HOUR + timedelta(days=300)))
    assert compare().windows == []


@pytest.mark.usefixtures("strava")
def test_somebody_who_is_not_logged_in_cannot_be_compared():
    with pytest.raises(ConfigurationError, match=r"^Athlete 7 is not logged in to Strava. Run: strava-assets login$"):
        compare(only=7)


def test_a_history_that_was_never_imported_is_a_few_ranges_and_scattered_edits_stay_ranges_of_their_own():
    first = floor_to_hour(NOW) - timedelta(days=4000)

    def windows(days: range) -> list[Window]:
        new: dict[int | str, set[datetime]] = {day: {first + timedelta(days=day)} for day in days}
        return Comparison(differences={42: Differences(new=new)}).windows

    assert windows(range(0, 1000, 50)) == [
        Window.of(first + day * DAY, first + day * DAY) for day in range(0, 1000, 50)
    ]
    for days in (range(0, 4000, 3), range(0, 4000, 40), range(4000)):
        found = windows(days)
        assert len(found) <= MAX_WINDOWS
        assert all(any(first + day * DAY in window for window in found) for day in days)
        assert sum((window.end - window.start for window in found), timedelta()) <= timedelta(days=4000)
