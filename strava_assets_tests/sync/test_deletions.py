"""No raw object and no row loses an activity on the word of one listing, whatever that says."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from strava_assets.errors import MalformedPage, StravaUnavailable
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.strava.pagination import Page
from strava_assets.sync.history_import import import_history
from strava_assets_tests.sync.imported_history import (
    EVER,
    FIRST,
    LISTING,
    NOW,
    Platform,
    hour_of,
    ids,
    requests_of,
)

PATIENCE = 120
"""Seconds that one thread of a test waits for another on a busy machine."""


def as_imported(platform: Platform, window: Window) -> None:
    import_history(platform.fetcher(), window, lambda _: None)


def as_fetched(platform: Platform, window: Window) -> None:
    platform.fetch(window)
    platform.load(window)


def as_compared(platform: Platform, window: Window) -> None:
    platform.refresh(platform.compare(window))


WRITERS = pytest.mark.parametrize("write", [as_imported, as_fetched, as_compared])
SPANS = pytest.mark.parametrize("days", [100, 30, 7, 1])


@pytest.mark.slow
@WRITERS
@SPANS
def test_an_answer_that_lists_nothing_empties_no_object_and_no_row(
    platform: Platform, write: Callable[[Platform, Window], None], days: int
):
    before, rows = platform.objects(), platform.rows()
    platform.simulation.faults.add("body", body="[]", path=LISTING, count=None)
    for window in [Window(NOW - timedelta(days=days), NOW), hour_of(platform, ids(platform)[-20])]:
        write(platform, window)
        assert platform.objects() == before
        assert platform.rows() == rows
    assert platform.waiting() == {42: 300}

    platform.simulation.faults.clear()
    assert platform.compare().windows == []
    assert platform.waiting() == {}


@pytest.mark.slow
@WRITERS
def test_one_answer_that_lists_nothing_is_found_out_by_the_whole_listing(
    platform: Platform, write: Callable[[Platform, Window], None]
):
    before, rows = platform.objects(), platform.rows()
    for activity_id in ids(platform)[50:53]:
        platform.simulation.faults.add("body", body="[]", path=LISTING, count=1)
        write(platform, hour_of(platform, activity_id))
    assert platform.objects() == before
    assert platform.rows() == rows
    assert platform.waiting() == {}


@pytest.mark.slow
@WRITERS
@pytest.mark.parametrize("missing", [20, 120])
def test_a_page_that_is_missing_in_the_middle_takes_nothing_away(
    platform: Platform, write: Callable[[Platform, Window], None], missing: int, monkeypatch: pytest.MonkeyPatch
):
    """Below the guard's share, what Strava says of some of the missing ones tells."""
    before, rows = platform.objects(), platform.rows()
    hidden = set(ids(platform)[100 : 100 + missing])
    listed = platform.simulation.listed

    def without_some(*arguments: Any, **options: Any) -> list[str]:
        return [each for each in listed(*arguments, **options) if json.loads(each)["id"] not in hidden]

    monkeypatch.setattr(platform.simulation, "listed", without_some)
    write(platform, EVER)
    assert platform.objects() == before
    assert platform.rows() == rows


@pytest.mark.slow
def test_a_page_that_is_missing_is_seen_though_older_activities_are_really_gone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """Those that Strava is asked for are spread over all that the listing lacks."""
    before = platform.objects()
    for each in ids(platform)[:5]:
        platform.simulation.delete(each)
    hidden, listed = set(ids(platform)[100:120]), platform.simulation.listed

    def without_some(*arguments: Any, **options: Any) -> list[str]:
        return [each for each in listed(*arguments, **options) if json.loads(each)["id"] not in hidden]

    monkeypatch.setattr(platform.simulation, "listed", without_some)
    assert isinstance(platform.fetch(EVER).held_back[42], MalformedPage)
    assert platform.objects() == before


@pytest.mark.slow
def test_edits_and_new_activities_go_through_while_deletions_wait_until_they_are_confirmed(platform: Platform):
    gone, edited = ids(platform)[:40], ids(platform)[50]
    same_hour = platform.objects()[gone[3]]
    for each in gone:
        platform.simulation.delete(each)
    platform.simulation.edit(edited, name="Another name")
    added = platform.simulation.add_activity(42, start_date=strava_time(same_hour + timedelta(minutes=40)))
    found = platform.compare()
    assert "no longer lists 40 of athlete 42's 300 activities; these deletions wait" in str(found.held_back[42])
    assert found.problems == [str(found.held_back[42])]
    platform.refresh(found)
    assert set(platform.rows()) == {*ids(platform), *gone}
    assert platform.rows()[edited].name == "Another name"
    assert platform.objects()[added] == same_hour
    assert set(platform.objects()) == {*ids(platform), *gone}
    assert platform.waiting() == {42: 40}

    requests = len(platform.simulation.requests)
    assert platform.compare().windows == []
    assert len(platform.simulation.requests) - requests == 3  # what waits is not asked about at each comparison

    platform.refresh(platform.compare(confirmed=42))
    assert set(platform.rows()) == set(platform.objects()) == set(ids(platform))
    found = platform.compare()
    assert (found.windows, found.problems, platform.waiting()) == ([], [], {})


def test_some_deletions_need_no_confirmation_and_cost_one_listing_more(platform: Platform):
    for each in ids(platform)[:25:8]:
        platform.simulation.delete(each)
    platform.refresh(platform.compare())
    assert set(platform.rows()) == set(platform.objects()) == set(ids(platform))
    assert platform.compare().windows == []


@pytest.mark.slow
def test_a_range_that_lost_something_is_fetched_whole_the_next_time(platform: Platform):
    platform.simulation.delete(ids(platform)[-30])
    assert platform.fetch(EVER).held_back == {}
    assert platform.fetch(EVER).resumed == {}


@pytest.mark.slow
def test_the_first_second_that_strava_can_say_is_listed_before_others_are_deleted(platform: Platform):
    """`after` is the second before, and takes no negative number."""
    epoch = Window.of(*2 * [datetime(1970, 1, 1, tzinfo=UTC)])
    of_epoch = platform.simulation.add_activity(42, start_date="1970-01-01T00:00:00Z")
    platform.fetch(epoch)
    platform.load(epoch)
    assert of_epoch in platform.rows()
    platform.simulation.delete(ids(platform)[7])
    found = platform.compare()
    assert (len(found.windows), found.problems) == (1, [])


@pytest.mark.slow
def test_activities_that_got_another_year_are_moves_and_no_deletions(platform: Platform):
    """A wrong clock in the device, corrected later; hours are fetched one by one, so each sees only what it lacks."""
    moved = ids(platform)[3::3]
    for each in moved:
        start = datetime.fromisoformat(platform.simulation.accounts[42].activities[each].fields["start_date"])
        platform.simulation.edit(each, start_date=strava_time(start - (start - FIRST) / 5 - timedelta(minutes=70)))
    found = platform.compare()
    assert (len(found.differences[42].moved), found.problems) == (len(moved), [])
    for hour in sorted({hour for each in found.differences.values() for hour in each.hours}):
        assert platform.fetch(Window.of(hour, hour)).held_back == {}
        assert platform.load(Window.of(hour, hour)).errors == {}
    assert platform.compare().windows == []
    assert set(platform.rows()) == set(platform.objects()) == set(ids(platform))


@pytest.mark.slow
def test_small_steps_do_not_add_up_to_a_mass_deletion(platform: Platform):
    gone = ids(platform)[:60]
    for each in gone:
        platform.simulation.delete(each)
    for each in gone:
        window = hour_of(platform, each)
        assert 42 in platform.fetch(window).held_back
        platform.load(window)
    assert set(platform.rows()) == {*ids(platform), *gone}


def test_what_moved_leaves_its_old_hour_though_a_mass_deletion_waits(platform: Platform):
    *gone, moved = ids(platform)[:61]
    for each in gone:
        platform.simulation.delete(each)
    old = hour_of(platform, moved)
    platform.simulation.edit(moved, start_date=strava_time(old.start + timedelta(hours=2)))
    platform.fetch(old)
    assert set(platform.objects()) == {*gone, *ids(platform)} - {moved}
    assert platform.waiting() == {42: 60}
    held_back = platform.fetch(hour_of(platform, gone[0])).held_back
    assert "no longer lists 60 of" in str(held_back[42])  # what has moved is none of them


def test_what_waits_and_is_listed_again_waits_no_more(platform: Platform):
    hidden = {key: platform.simulation.accounts[42].activities[key].text for key in ids(platform)[:40]}
    for each in hidden:
        platform.simulation.delete(each)
    assert platform.compare().held_back
    for told_before in hidden.values():
        platform.simulation.add_activity(42, text=told_before)
    found = platform.compare()
    assert (found.windows, found.problems, platform.waiting()) == ([], [], {})


def test_a_listing_of_before_a_mass_deletion_takes_nothing_off_those_that_wait(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    """A comparison that was under way ended after another one had decided: some deletions were not seen to wait."""
    other = Platform(platform.simulation)
    activities, is_listed, is_decided = other.client.activities, Event(), Event()

    def slowly(*arguments: Any, **options: Any) -> Iterator[Page]:
        pages = list(activities(*arguments, **options))
        is_listed.set()
        assert is_decided.wait(PATIENCE)
        yield from pages

    monkeypatch.setattr(other.client, "activities", slowly)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(other.compare)
        assert is_listed.wait(PATIENCE)
        for activity_id in ids(platform)[:60]:
            platform.simulation.delete(activity_id)
        platform.compare()
        assert platform.waiting() == {42: 60}
        is_decided.set()
        slow.result()
    assert platform.waiting() == {42: 60}
    other.client.close()


@pytest.mark.parametrize("kind", ["status", "reset", "html"])
def test_edits_are_written_though_the_whole_listing_cannot_be_read(platform: Platform, kind: Any):
    hour = platform.objects()[ids(platform)[10]]
    neighbour = platform.simulation.add_activity(42, start_date=strava_time(hour + timedelta(minutes=30)))
    platform.fetch(Window.of(hour, hour))
    platform.simulation.delete(ids(platform)[10])
    platform.simulation.edit(neighbour, name="Edited")
    platform.simulation.faults.add(kind, after=2, path=LISTING, count=None)
    with pytest.raises((StravaUnavailable, MalformedPage)):
        platform.fetch(Window.of(hour, hour))
    names = {each.id: each.fields["name"] for each in dict(platform.store.read(42, [hour]))[hour]}
    assert names[neighbour] == "Edited"
    assert len(names) == 2


def test_a_row_without_a_start_is_deleted_with_its_activity_or_gets_its_start(platform: Platform):
    """As the Airflow DAG left them: in no hour, so no hour's comparison would find them."""
    gone, early = 7, platform.simulation.add_activity(42, start_date="2009-05-01T10:00:00Z")
    with transaction(platform.engine) as connection:
        for each in (gone, early):
            connection.execute(text(f"INSERT INTO strava_activity (id, athlete_id) VALUES ({each}, 42)"))
    assert platform.compare().problems == []
    assert gone not in platform.rows()
    assert platform.rows()[early].start_date == datetime(2009, 5, 1, 10, tzinfo=UTC)


def test_a_row_without_a_start_that_is_listed_anyhow_costs_no_request_more(platform: Platform):
    cost = requests_of(platform, platform.compare)
    with transaction(platform.engine) as connection:
        listed = ids(platform)[0]
        connection.execute(text(f"UPDATE strava_activity SET start_date = NULL WHERE id = {listed}"))
    assert requests_of(platform, platform.compare) == cost
    platform.refresh(platform.compare())
    assert platform.rows()[listed].start_date


def test_many_rows_without_a_start_that_strava_does_not_list_wait_as_any_mass_deletion(platform: Platform):
    cost = requests_of(platform, platform.compare)
    with transaction(platform.engine) as connection:
        rows = "SELECT number, 42 FROM generate_series(1, 60) AS number"
        connection.execute(text(f"INSERT INTO strava_activity (id, athlete_id) {rows}"))
    platform.compare()
    assert platform.waiting() == {42: 60}
    assert len(platform.rows()) == 360
    assert requests_of(platform, platform.compare) == cost  # it is decided
    platform.compare(confirmed=42)
    assert set(platform.rows()) == set(ids(platform))
