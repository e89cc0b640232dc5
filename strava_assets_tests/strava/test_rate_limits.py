"""Strava's limits as pure functions: each row is a case with its reason."""

from datetime import UTC, datetime, timedelta

import pytest

from strava_assets.strava.rate_limits import Limit, Quota, Reported, Usage, period_end, refused_until, usage

NOW = datetime(2026, 11, 22, 13, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        (
            {"X-ReadRateLimit-Limit": "100,1000", "X-ReadRateLimit-Usage": "7,42"},
            Reported(Limit(7, 42), Limit(100, 1000)),
        ),
        # Proxies and HTTP/2 lower the names.
        (
            {"x-readratelimit-limit": "200, 2000", "x-readratelimit-usage": "7, 42"},
            Reported(Limit(7, 42), Limit(200, 2000)),
        ),
        ({}, None),  # /oauth/...
        ({"X-ReadRateLimit-Limit": "100,1000"}, None),
        ({"X-ReadRateLimit-Limit": "100,1000", "X-ReadRateLimit-Usage": "many"}, None),
    ],
)
def test_headers_become_usage(headers: dict[str, str], read: Reported | None) -> None:
    assert usage(headers) == Usage(read=read, overall=None)


@pytest.mark.parametrize(
    ("now", "quarter", "day"),
    [
        ("2026-11-22T13:00:00Z", "2026-11-22T13:15:00Z", "2026-11-23T00:00:00Z"),
        ("2026-11-22T13:14:59Z", "2026-11-22T13:15:00Z", "2026-11-23T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        # 01:20 in Nepal, whose offset is no whole quarter of an hour's multiple from here: periods are UTC's.
        ("2026-11-22T01:20:00+05:45", "2026-11-21T19:45:00Z", "2026-11-22T00:00:00Z"),
    ],
)
def test_periods_end_at_fixed_quarter_hours_and_at_midnight_utc(now: str, quarter: str, day: str) -> None:
    moment = datetime.fromisoformat(now)
    assert period_end("quarter", moment) == datetime.fromisoformat(quarter)
    assert period_end("day", moment) == datetime.fromisoformat(day)


@pytest.mark.parametrize(
    ("used", "now", "until"),
    [
        (Limit(100, 400), NOW, period_end("quarter", NOW)),
        (Limit(30, 1000), NOW, period_end("day", NOW)),
        # Seconds after a boundary Strava's clock may be the one that is behind.
        (Limit(100, 400), NOW.replace(minute=0, second=5), NOW.replace(minute=1, second=5)),
    ],
)
def test_after_a_429_nothing_is_requested_until_the_period_ends(used: Limit, now: datetime, until: datetime) -> None:
    reported = Usage(read=Reported(used, Limit(100, 1000)), overall=None)
    assert refused_until(reported, now) == until


def test_a_quota_is_words_or_unknown() -> None:
    assert str(Quota()) == "unknown"
    assert str(Quota(5, 100, 70, 1000)) == "5 of 100 requests used in this 15-minute period, 70 of 1000 today"


def test_a_429_without_headers_is_taken_for_a_spent_quarter_hour() -> None:
    assert refused_until(Usage(None, None), NOW) - NOW == timedelta(minutes=7, seconds=30)
