"""Numbers and dates in the spellings of many languages."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.archive.dates import parse_dates
from strava_assets.archive.values import number_for_people

AT = datetime(2026, 5, 9, 17, 9, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("9,72", 9.72), ("9.72", 9.72), ("0", 0), ("1,250", 1250), ("1.500", 1500), ("1 250", 1250),
        ("1\u202f250", 1250),
        ("1'250,5", 1250.5), ("1,234.56", 1234.56), ("1.234,56", 1234.56), ("12.345.678", 12345678), ("", None),
    ],
)  # fmt: skip
def test_a_number_for_people_is_read_in_any_language(cell: str, value: float | None):
    assert number_for_people(cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        "May 9, 2026, 5:09:50 PM", "May 9, 2026, 5:09:50\u202fPM", "9 May 2026, 17:09:50", "09.05.2026, 17:09:50",
        "9 mai 2026, 17:09:50", "9 mei 2026, 17:09:50", "9. maj 2026, 17.09.50", "9 may 2026, 17:09:50",
        "2026-05-09 17:09:50", "9 mag 2026, 17:09:50", "9 de mai. de 2026, 17:09:50", "9 мая 2026, 17:09:50",
        "2026/05/09 17:09:50", "2026年5月9日 17:09:50", "2026年5月9日 下午5:09:50", "2026. 5. 9. 오후 5:09:50",
        "9 maj 2026, 17:09:50", "2026. máj. 9. 17:09:50", "9 May 2026 17:09:50", "9. 5. 2026 17:09:50",
        "9 may 2026, 5:09:50 p. m.", "9.5.2026 klo 17.09.50", "9 Mei 2026 17.09.50",
        "9 мая 2026\u202f\u0433., 17:09:50",
        "9 Μαΐ 2026, 5:09:50\u202fμ.μ.", "9 Mei 2026, 5:09:50\u202fPTG", "17:09:50 9 thg 5, 2026",
        "9 mai 2026, 17 h 09 min 50 s",
    ],
)  # fmt: skip
def test_a_date_is_read_in_any_language(cell: str):
    assert parse_dates([cell]) == [AT]


@pytest.mark.parametrize(("month", "word"), [(7, "juill."), (6, "juin"), (5, "Μαΐ"), (3, "Mac"), (12, "Dis")])
def test_months_have_the_names_that_their_countries_use(month: int, word: str):
    assert parse_dates([f"9 {word} 2026, 17:09:50"]) == [AT.replace(month=month)]


def test_hours_of_an_unknown_half_of_the_day_are_no_time():
    halves = ["9 May 2026, 5:09:50 xm", "9 May 2026, 11:09:50 ym"]
    assert parse_dates(halves) == [None, None]
    # The clock has 24 hours, so the word is none of them.
    assert parse_dates([*halves, "9 May 2026, 17:09:50 xm"])[2] == AT


@given(st.integers(1_200_000_000, 1_900_000_000))
def test_noon_and_midnight_of_twelve_hours_are_right(seconds: int):
    at = datetime.fromtimestamp(seconds, UTC)
    assert parse_dates([f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S} {at:%p}"]) == [at]


@pytest.mark.parametrize(("clue", "month"), [("13/1/2026, 10:00:00", 4), ("1/13/2026, 10:00:00", 3)])
def test_which_number_is_the_day_is_decided_by_all_dates_together(clue: str, month: int):
    (first, second) = parse_dates(["3/4/2026, 10:00:00", clue])
    assert first
    assert second
    assert (first.month, second.month) == (month, 1)


@pytest.mark.parametrize("cell", ["", "yesterday", "31.02.2026, 10:00:00", "99 May 2026, 10:00:00", "May 2026", "5"])
def test_what_is_no_date_is_none(cell: str):
    assert parse_dates([cell]) == [None]
