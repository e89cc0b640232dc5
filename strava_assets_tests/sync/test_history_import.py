"""Which hours an import records in Dagster."""

from datetime import UTC, date, datetime

import pytest

from strava_assets.hours import Window
from strava_assets.sync.history_import import recorded_windows

NOW = datetime(2026, 11, 26, 5, tzinfo=UTC)


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "windows"),
    [
        ([], [Window(datetime(2026, 11, 25, 5, tzinfo=UTC), NOW)]),
        ([date(2026, 11, 26)], [Window(datetime(2026, 11, 25, 5, tzinfo=UTC), NOW)]),
        ([date(2024, 5, 7), date(2025, 1, 1), date(2026, 3, 3)], [Window(at(2024, 5, 7), NOW)]),
        (
            [date(1974, 10, 17), date(2025, 7, 1), date(2026, 7, 1)],
            [Window(at(1974, 10, 17), at(1975)), Window(at(2025), NOW)],
        ),
        ([date(2020, 2, 2)], [Window(at(2020, 2, 2), at(2021)), Window(datetime(2026, 11, 25, 5, tzinfo=UTC), NOW)]),
    ],
)
def test_years_without_anything_are_not_recorded(days: list[date], windows: list[Window]):
    assert recorded_windows(Window(at(1970), NOW), days) == windows


def test_nothing_before_what_was_requested_is_recorded():
    assert recorded_windows(Window(at(2026, 11, 20), at(2026, 11, 22)), [date(2026, 11, 21)]) == [
        Window(at(2026, 11, 20), at(2026, 11, 22))
    ]


def test_all_that_was_requested_is_filled_unless_it_begins_with_more_than_an_empty_year():
    assert recorded_windows(Window(at(2024), NOW), [date(2024, 11, 26), date(2025, 1, 1), date(2026, 7, 1)]) == [
        Window(at(2024), NOW)
    ]
    assert recorded_windows(Window(at(2025, 6), NOW), [date(2026, 5, 1)]) == [Window(at(2025, 6), NOW)]
    of_366_days, longer = [date(2025, 1, 1)], [date(2025, 1, 2)]
    assert recorded_windows(Window(at(2024), at(2025, 3)), of_366_days)[0].start == at(2024)
    assert recorded_windows(Window(at(2024), at(2025, 3)), longer)[0].start == at(2025, 1, 2)
