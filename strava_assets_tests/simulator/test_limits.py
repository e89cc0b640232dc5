"""Request limits: fixed periods, headers, refusals that count."""

from strava_assets.simulator.limits import Limit, RateLimits
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import complaint, get


def test_limits_are_reported_in_every_answer_and_end_with_the_quarter_hour(simulation: Simulation, url: str):
    simulation.advance(900 - simulation.clock.time() % 900)
    token = simulation.grant()
    simulation.limits.count(simulation.clock.time(), requests=99)  # somebody else's
    answer = get(url, token, "/athlete")
    assert answer.status_code == 200
    assert answer.headers["X-ReadRateLimit-Limit"] == "100,1000"
    assert answer.headers["X-RateLimit-Limit"] == "200,2000"
    assert answer.headers["x-readratelimit-usage"].startswith("100,")
    refused = get(url, token, "/athlete")
    assert complaint(refused) == (429, "Application/rate limit/exceeded")
    assert refused.headers["X-ReadRateLimit-Usage"].startswith("101,")
    assert "Retry-After" not in refused.headers
    simulation.advance(900)
    assert get(url, token, "/athlete").status_code == 200


def test_refused_requests_spend_the_day():
    limits, midnight = RateLimits(read=Limit(2, 5)), 1_768_003_200.0
    assert [limits.count(midnight) for _ in range(5)] == [True, True, False, False, False]
    assert not limits.count(midnight + 900)
    assert limits.count(midnight + 86400)
    assert limits.headers(midnight)["X-ReadRateLimit-Usage"] == "5,6"


def test_periods_are_fixed_not_sliding():
    limits, midnight = RateLimits(read=Limit(1, 9)), 1_768_003_200.0
    assert limits.count(midnight + 899)
    assert limits.count(midnight + 900)
    assert not limits.count(midnight + 1799)
