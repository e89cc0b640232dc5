"""Which hours a run should fetch now, as pure functions: tables, and what holds of any history of runs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.hours import HOUR, Window
from strava_assets.sync.attempts import Attempt, Outcome, due_pieces, has_failed, still_to_fetch

START = datetime(2026, 11, 22, tzinfo=UTC)
SINCE = START + 100 * HOUR
NOW = SINCE + timedelta(hours=8)


def hours(first: int, last: int) -> Window:
    return Window.of(START + first * HOUR, START + last * HOUR)


def attempt(window: Window, outcome: Outcome, minutes: float = 1) -> Attempt:
    """A run that began so many minutes after the hours were requested, and took one."""
    if outcome is Outcome.WAITING:
        return Attempt(window, outcome)
    began = SINCE + timedelta(minutes=minutes)
    is_over = outcome in {Outcome.FETCHED, Outcome.FAILED}
    return Attempt(window, outcome, began, began + timedelta(minutes=1) if is_over else None)


def test_what_a_run_fetched_before_the_request_is_fetched_again():
    assert still_to_fetch(hours(0, 9), SINCE, [attempt(hours(0, 20), Outcome.FETCHED, -1)]) == [hours(0, 9)]
    assert still_to_fetch(hours(0, 9), SINCE, [attempt(hours(0, 20), Outcome.FETCHED)]) == []


def test_what_several_runs_fetched_together_is_fetched():
    runs = [attempt(hours(0, 3), Outcome.FETCHED), attempt(hours(6, 9), Outcome.FETCHED)]
    assert still_to_fetch(hours(0, 9), SINCE, runs) == [hours(4, 5)]
    assert still_to_fetch(hours(0, 9), SINCE, [*runs, attempt(hours(2, 7), Outcome.FETCHED)]) == []


@pytest.mark.parametrize(
    ("outcome", "minutes", "expected"),
    [
        (Outcome.WAITING, 0, []),
        (Outcome.RUNNING, 1, []),
        (Outcome.RUNNING, -1, [hours(0, 9)]),  # it may have asked Strava before the change
    ],
)
def test_what_a_run_will_see_is_not_requested_again(outcome: Outcome, minutes: float, expected: list[Window]):
    assert due_pieces([hours(0, 9)], SINCE, [attempt(hours(0, 9), outcome, minutes)], NOW) == expected


def test_what_failed_comes_again_in_halves_apart_from_its_neighbours():
    runs = [attempt(hours(4, 7), Outcome.FAILED)]
    assert due_pieces([hours(0, 9)], SINCE, runs, NOW) == [hours(0, 3), hours(4, 5), hours(6, 7), hours(8, 9)]
    assert not has_failed(hours(0, 3), SINCE, runs)
    assert has_failed(hours(4, 5), SINCE, runs)


def test_only_a_later_run_makes_up_for_one_that_failed():
    good, bad = (
        attempt(hours(0, 9), Outcome.FETCHED, 5),
        [attempt(hours(4, 7), Outcome.FAILED, each) for each in (1, 9)],
    )
    assert not has_failed(hours(0, 9), SINCE, [good, bad[0]])
    assert has_failed(hours(0, 9), SINCE, [good, bad[1]])


def test_pauses_grow_and_are_shorter_where_good_hours_may_wait():
    def wait(window: Window, failures: int) -> timedelta:
        runs = [attempt(window, Outcome.FAILED, number) for number in range(failures)]
        last = max(each.ended for each in runs if each.ended)
        moments = (last + timedelta(minutes=minutes) for minutes in range(24 * 60))
        return next(moment for moment in moments if due_pieces([window], SINCE, runs, moment)) - last

    assert [wait(hours(0, 0), number) for number in (1, 2, 3)] == [timedelta(minutes=minutes) for minutes in (1, 2, 4)]
    assert wait(hours(0, 0), 20) == timedelta(hours=6)
    assert wait(hours(0, 9), 20) == timedelta(minutes=15)


def test_where_an_activity_without_a_start_may_lie_no_part_is_fetched_alone():
    span = hours(2, 7)
    assert due_pieces([hours(0, 9)], SINCE, [attempt(hours(0, 9), Outcome.FAILED)], NOW, [span]) == [
        hours(0, 1),
        span,
        hours(8, 9),
    ]
    assert due_pieces([span], SINCE, [attempt(hours(4, 5), Outcome.FAILED)], NOW, [span]) == [span]
    under_way = attempt(hours(4, 5), Outcome.RUNNING)
    assert due_pieces([hours(0, 9)], SINCE, [under_way], NOW, [span]) == []
    fetched = attempt(hours(6, 9), Outcome.FETCHED)
    assert still_to_fetch(hours(0, 9), SINCE, [fetched], [span]) == [hours(0, 7)]
    # One span's last hour is often the next one's first.
    assert still_to_fetch(hours(0, 9), SINCE, [fetched], [span, hours(7, 9)]) == [hours(0, 9)]
    assert due_pieces([hours(0, 9)], SINCE, [attempt(hours(0, 9), Outcome.FAILED)], NOW, [span, hours(7, 9)]) == [
        hours(0, 1),
        hours(2, 9),
    ]


windows = st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda pair: hours(pair[0], pair[0] + pair[1]))
histories = st.lists(
    st.builds(attempt, windows, st.sampled_from(Outcome), st.floats(-60, 60, allow_nan=False)), max_size=8
)


@given(windows, histories)
def test_pieces_are_the_windows_hours_once_and_no_others(window: Window, runs: list[Attempt]):
    pieces = due_pieces(still_to_fetch(window, SINCE, runs), SINCE, runs, NOW + timedelta(days=1))
    found = [hour for piece in pieces for hour in piece.hours()]
    assert len(found) == len(set(found))
    seen = {
        hour
        for each in runs
        if each.outcome is not Outcome.FAILED and each.began_after(SINCE)
        for hour in each.window.hours()
    }
    assert set(found) == set(window.hours()) - seen


@given(windows, histories, st.lists(windows, max_size=3))
def test_no_piece_cuts_a_span_and_each_comes_when_nothing_is_under_way(
    window: Window, runs: list[Attempt], spans: list[Window]
):
    whole = [span for span in spans if window.covers(span)]
    pieces = due_pieces(still_to_fetch(window, SINCE, runs, whole), SINCE, runs, NOW + timedelta(days=1), whole)
    assert not any(piece.cuts(span) for piece in pieces for span in whole)
    over = [each for each in runs if each.outcome in {Outcome.FETCHED, Outcome.FAILED}]
    left = still_to_fetch(window, SINCE, over, whole)
    found = due_pieces(left, SINCE, over, NOW + timedelta(days=1), whole)
    assert {hour for piece in found for hour in piece.hours()} == {hour for piece in left for hour in piece.hours()}


@given(st.integers(0, 500), st.integers(1, 500))
def test_one_bad_hour_is_alone_after_few_tries_and_all_others_are_fetched(bad: int, length: int):
    bad %= length
    runs: list[Attempt] = []
    whole, now, count = hours(0, length - 1), SINCE, 0
    while (left := still_to_fetch(whole, SINCE, runs)) != [hours(bad, bad)]:
        now += timedelta(minutes=30)
        for piece in due_pieces(left, SINCE, runs, now):
            outcome = Outcome.FAILED if START + bad * HOUR in piece else Outcome.FETCHED
            runs.append(Attempt(piece, outcome, now, now + timedelta(minutes=1)))
            count += 1
        if length == 1:
            break
    assert count <= 2 * length.bit_length() + 3
