"""The shared request budget on a real Redis: limits hold among processes, periods are waited for, 429s are honoured."""

import multiprocessing
import random
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strava_assets.errors import ConfigurationError, RateLimitExceeded, ServiceUnavailable
from strava_assets.state.connection import connect
from strava_assets.strava.clock import REAL, Clock
from strava_assets.strava.rate_limits import Limit, Quota, day_index, quarter_index
from strava_assets.strava.request_budget import Budget, Reservation
from strava_assets_tests.strava.fake_clock import FakeClock

NOON = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
USUAL = Limit(100, 1000)


def budget(
    redis_url: str,
    clock: Clock,
    *,
    may_use_reserve: bool = True,
    max_wait: timedelta = timedelta(0),
    on_wait: Callable[[str], None] | None = None,
) -> Budget:
    return Budget(
        connect(redis_url),
        "1",
        reserve_share=0.25,
        may_use_reserve=may_use_reserve,
        max_wait=max_wait,
        clock=clock,
        on_wait=on_wait,
    )


def headers(used: Limit, limit: Limit = USUAL) -> dict[str, str]:
    return {
        "X-ReadRateLimit-Usage": f"{used.quarter},{used.day}",
        "X-ReadRateLimit-Limit": f"{limit.quarter},{limit.day}",
    }


def take_until_spent(budget: Budget) -> int:
    taken = 0
    try:
        while True:
            budget.take()
            taken += 1
    except RateLimitExceeded:
        return taken


def test_before_the_first_header_a_new_applications_limits_hold(redis_url: str) -> None:
    assert take_until_spent(budget(redis_url, FakeClock().clock)) == 100


def test_a_quarter_of_the_period_is_reserved_for_those_who_may_use_the_reserve(redis_url: str) -> None:
    clock = FakeClock().clock
    assert take_until_spent(budget(redis_url, clock, may_use_reserve=False)) == 75
    assert take_until_spent(budget(redis_url, clock)) == 25


def test_headers_say_what_other_programs_used_and_what_the_limits_are(redis_url: str) -> None:
    counting = budget(redis_url, FakeClock().clock)
    assert counting.quota() == Quota()
    counting.settle(counting.take(), headers(Limit(150, 300), Limit(200, 2000)))
    assert counting.quota() == Quota(150, 200, 300, 2000)
    assert take_until_spent(counting) == 50


def test_a_lost_answer_counts_as_used(redis_url: str) -> None:
    counting = budget(redis_url, FakeClock().clock)
    counting.settle(counting.take(), headers(Limit(1, 1)))
    counting.settle(counting.take(), None)
    assert counting.quota().quarter_used == 2


def test_requests_on_the_way_are_counted_on_top_of_what_headers_say(redis_url: str) -> None:
    counting = budget(redis_url, FakeClock().clock)
    first, _second, _third = (counting.take() for _ in range(3))
    counting.settle(first, headers(Limit(51, 51)))
    assert counting.quota().quarter_used == 53


def test_a_new_period_starts_at_zero_and_the_day_goes_on(redis_url: str) -> None:
    clock = FakeClock()
    counting = budget(redis_url, clock.clock)
    counting.settle(counting.take(), headers(Limit(90, 90)))
    clock.sleep(15 * 60)
    assert counting.quota() == Quota(0, 100, 90, 1000)
    assert take_until_spent(counting) == 100


def test_requests_on_the_way_when_a_period_ends_count_in_the_next_one_too(redis_url: str) -> None:
    clock = FakeClock(NOON.replace(minute=14, second=59))
    counting = budget(redis_url, clock.clock)
    counting.settle(counting.take(), headers(Limit(1, 1)))
    on_the_way = [counting.take() for _ in range(60)]
    clock.sleep(2)
    assert take_until_spent(counting) == 40
    for used, reservation in enumerate(on_the_way, 41):
        counting.settle(reservation, headers(Limit(used, used + 61)))
    assert counting.quota().quarter_used == 100


def test_a_spent_quarter_hour_is_waited_out_a_little_past_its_end(redis_url: str) -> None:
    clock, messages = FakeClock(NOON), list[str]()
    counting = budget(redis_url, clock.clock, max_wait=timedelta(minutes=16), on_wait=messages.append)
    for _ in range(101):
        counting.settle(counting.take(), None)
    assert messages == ["Strava's 15-minute rate limit reached: 100 of 100 requests used; waiting until 12:15 UTC."]
    assert timedelta(seconds=1) <= clock.now() - NOON.replace(minute=15, second=0) <= timedelta(seconds=2)


def test_a_caller_who_may_not_wait_learns_until_when(redis_url: str) -> None:
    counting = budget(redis_url, FakeClock(NOON).clock, may_use_reserve=False)
    take_until_spent(counting)
    with pytest.raises(RateLimitExceeded) as spent:
        counting.take()
    assert str(spent.value) == (
        "Strava's 15-minute rate limit reached: 75 of 100 requests used, 25 reserved for the hourly schedule; "
        "try again after 12:15 UTC."
    )
    assert spent.value.until == NOON.replace(minute=15, second=0)


def test_a_spent_day_is_not_waited_out(redis_url: str) -> None:
    clock = FakeClock(NOON)
    counting = budget(redis_url, clock.clock, max_wait=timedelta(minutes=16))
    counting.settle(counting.take(), headers(Limit(1, 1000)))
    with pytest.raises(RateLimitExceeded) as spent:
        counting.take()
    assert str(spent.value) == (
        "Strava's daily rate limit reached: 1000 of 1000 requests used; try again after 00:00 UTC."
    )
    assert clock.slept == []


def test_a_429_stops_everybody_until_the_period_ends(redis_url: str) -> None:
    clock = FakeClock(NOON.replace(minute=5))
    refused, other = budget(redis_url, clock.clock), budget(redis_url, clock.clock)
    refused.settle(refused.take(), None, refused=True)
    with pytest.raises(RateLimitExceeded, match=r"rate limit reached; try again after 12:15 UTC"):
        other.take()
    clock.sleep(601)
    other.take()


def test_applications_do_not_share_a_budget(redis_url: str) -> None:
    clock = FakeClock().clock
    take_until_spent(budget(redis_url, clock))
    other = Budget(
        connect(redis_url), "2", reserve_share=0, may_use_reserve=True, max_wait=timedelta(0), clock=clock, on_wait=None
    )
    other.take()


def _take_in_a_process(redis_url: str) -> int:
    return take_until_spent(budget(redis_url, FakeClock(NOON).clock))


def test_processes_together_never_exceed_the_limit(redis_url: str) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        taken = list(processes.map(_take_in_a_process, [redis_url] * 3))
    assert sum(taken) == 100


ACTIONS = st.lists(
    st.sampled_from(["take", "take", "take", "arrive", "arrive", "answer", "answer", "lose", "time", "boundary"]),
    min_size=20,
    max_size=150,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, order=st.randoms(use_true_random=False))
def test_stravas_own_count_never_exceeds_its_limit_however_requests_overtake_each_other(
    redis_url: str, actions: list[str], order: random.Random
) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    clock = FakeClock(NOON)
    counting = budget(redis_url, clock.clock)
    limit = Limit(10, 40)
    counting.settle(counting.take(), headers(Limit(1, 1), limit))
    counts = {("quarter", quarter_index(NOON)): 1, ("day", day_index(NOON)): 1}
    sent: list[Reservation] = []
    arrived: list[tuple[Reservation, dict[str, str]]] = []
    for action in actions:
        if action == "take":
            try:
                sent.append(counting.take())
            except RateLimitExceeded:
                continue
        elif action == "arrive" and sent:
            periods = ("quarter", quarter_index(clock.now())), ("day", day_index(clock.now()))
            for period in periods:
                counts[period] = counts.get(period, 0) + 1
            used = Limit(counts[periods[0]], counts[periods[1]])
            assert used.quarter <= limit.quarter
            assert used.day <= limit.day
            arrived.append((sent.pop(order.randrange(len(sent))), headers(used, limit)))
        elif action == "answer" and arrived:
            counting.settle(*arrived.pop(order.randrange(len(arrived))))
        elif action == "lose" and sent:
            counting.settle(sent.pop(), None)
        elif action == "time":
            clock.sleep(20)
        elif action == "boundary" and not (set(sent) | {reservation for reservation, _ in arrived}) - {
            Reservation(quarter_index(clock.now()), day_index(clock.now()))
        }:
            # No request is on the way for longer than one quarter hour: its timeouts are shorter.
            clock.sleep(900 - clock.now().timestamp() % 900 - 0.5)
            clock.sleep(1)


def test_without_redis_the_message_names_the_address_and_not_the_password() -> None:
    counting = budget("redis://:hush@127.0.0.1:1/0", FakeClock().clock)
    with pytest.raises(ServiceUnavailable) as error:
        counting.take()
    assert str(error.value) == "Redis at 127.0.0.1:1 does not answer; check that it runs, and REDIS_URL."


def test_a_url_that_is_none_is_not_repeated() -> None:
    with pytest.raises(
        ConfigurationError, match=re.escape("REDIS_URL is not a Redis URL. Write it like redis://localhost")
    ):
        connect("http://:hush@localhost")


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(days=1), timedelta(days=400)])
def test_what_a_computer_whose_clock_is_ahead_has_counted_keeps_nobody_else_waiting(
    redis_url: str, ahead: timedelta
) -> None:
    right, wrong = (budget(redis_url, FakeClock(now).clock) for now in (NOON, NOON + ahead))
    right.settle(right.take(), headers(Limit(1, 1)))
    wrong.settle(wrong.take(), headers(Limit(2, 2)), refused=True)
    for used in range(3, 13):
        right.settle(right.take(), headers(Limit(used, used)))
    assert right.quota() == Quota(12, 100, 12, 1000)
    assert take_until_spent(right) == 88


def test_a_process_counts_by_the_clock_of_redis_so_that_all_computers_agree(redis_url: str) -> None:
    counting = budget(redis_url, REAL)
    reserved = counting.take()
    seconds, _ = connect(redis_url).time()
    assert abs(reserved.quarter * 900 - seconds) <= 900


@pytest.mark.parametrize("limit", [Limit(0, 0), Limit(-1, 100), Limit(100, 10**30)])
def test_a_limit_that_cannot_be_one_is_not_learned(redis_url: str, limit: Limit) -> None:
    counting = budget(redis_url, FakeClock().clock)
    counting.settle(counting.take(), headers(Limit(1, 1), limit))
    assert take_until_spent(counting) == 99


def test_a_stored_limit_of_nothing_is_learned_again(redis_url: str) -> None:
    connect(redis_url).hset("strava:budget:1", mapping={"read:quarter:limit": 0, "overall:day:limit": 0})
    counting = budget(redis_url, FakeClock().clock)
    counting.settle(counting.take(), headers(Limit(1, 1)))
    assert counting.quota() == Quota(1, 100, 1, 1000)
