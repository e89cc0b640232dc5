"""Where a fetch of a range goes on."""

from datetime import UTC, datetime, timedelta

from redis import Redis

from strava_assets.hours import Window
from strava_assets.state.resume_points import ResumePoints

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_later_try_goes_on_unless_it_ends_where_the_first_one_already_was(redis_url: str):
    points = ResumePoints(Redis.from_url(redis_url))
    points.reach(42, Window(START, START + 90 * DAY), START + 50 * DAY)
    reached = {days: points.reached(42, Window(START, START + days * DAY)) for days in (49, 50, 51, 91)}
    assert reached == {49: START, 50: START, 51: START + 50 * DAY, 91: START + 50 * DAY}
    assert points.reached(43, Window(START, START + 90 * DAY)) == START


def test_what_is_complete_is_forgotten(redis_url: str):
    points = ResumePoints(Redis.from_url(redis_url))
    points.reach(42, Window(START, START + 90 * DAY), START + 50 * DAY)
    points.reach(42, Window(START, START + 90 * DAY), START + 90 * DAY)
    assert points.reached(42, Window(START, START + 120 * DAY)) == START
