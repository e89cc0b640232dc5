from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.hours import HOUR, Window, floor_to_hour, from_partition_key, merge_into_windows, partition_key
from strava_assets.raw.keys import from_object_key, object_key

HOURS = st.integers(0, 100 * 365 * 24).map(lambda hours: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@given(HOURS)
def test_an_hour_survives_each_of_its_names(hour: datetime):
    assert from_partition_key(partition_key(hour)) == hour
    assert from_object_key(object_key("stravaact", 42, hour)) == (42, hour)
    assert from_object_key(object_key("", 42, hour)) == (42, hour)


def test_names_are_those_of_dagster_and_of_the_old_dag():
    hour = datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert partition_key(hour) == "2026-11-22-13:00"
    assert object_key("stravaact", 42, hour) == "stravaact/42/20261122T130000.json"


@pytest.mark.parametrize(
    "key",
    [
        "stravaact/20261122T130000.json",  # the Airflow DAG's: the newest 30 activities of a moment, no statement
        "stravaact/42/20261122T130500.json",
        "stravaact/42/20261399T130000.json",
        "stravaact/42/20261122T130000.json.bak",
        "stravaact/forty/20261122T130000.json",
    ],
)
def test_other_objects_are_no_hours(key: str):
    assert from_object_key(key) is None


def test_the_hour_of_a_moment_is_counted_in_utc():
    assert floor_to_hour(datetime(2026, 1, 1, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))) == datetime(
        2026, 1, 1, tzinfo=UTC
    )


NEAR = st.integers(0, 300).map(lambda hours: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
"""Hours whose gaps are about as long as those that are joined."""


@given(st.sets(HOURS, max_size=30) | st.sets(NEAR, max_size=30), st.integers(0, 48))
def test_windows_cover_all_hours_and_begin_and_end_with_one(hours: set[datetime], gap: int):
    windows = merge_into_windows(hours, max_gap=gap * HOUR)
    assert all(any(hour in window for window in windows) for hour in hours)
    assert all(window.start in hours and window.end - HOUR in hours for window in windows)
    assert all(later.start - earlier.end > gap * HOUR for earlier, later in pairwise(windows))


def test_a_window_is_written_like_a_partition_range():
    assert str(Window.of(NOON, NOON)) == "2026-11-22-12:00"
    assert str(Window.of(NOON, NOON + 2 * HOUR)) == "2026-11-22-12:00...2026-11-22-14:00"
    assert len(list(Window.of(NOON, NOON + 2 * HOUR).hours())) == 3


def test_a_stored_window_is_read_as_every_version_has_written_it():
    window = Window.of(NOON, NOON + 2 * HOUR)
    assert window.isoformat() == "2026-11-22T12:00:00+00:00/2026-11-22T15:00:00+00:00"
    assert Window.fromisoformat(window.isoformat()) == window


@given(HOURS, st.integers(1, 50))
def test_the_halves_of_a_window_are_hours_of_it_and_only_a_single_hour_has_none(start: datetime, hours: int):
    window = Window(start, start + hours * HOUR)
    halves = [Window(window.start, window.middle), Window(window.middle, window.end)]
    assert [len(list(half.hours())) for half in halves] == [hours // 2, hours - hours // 2]
    assert window.is_single_hour == (window.middle == window.start)


def test_windows_that_only_touch_do_not_overlap():
    window = Window(NOON, NOON + 2 * HOUR)
    assert window.overlaps(Window(NOON + HOUR, NOON + 3 * HOUR))
    assert not window.overlaps(Window(NOON + 2 * HOUR, NOON + 3 * HOUR))
    assert not window.overlaps(Window(NOON - HOUR, NOON))
