"""How far a comparison of the whole history got."""

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.reconcile_progress import LIFETIME, ReconcileProgress, Step


def test_it_is_forgotten_a_while_after_its_first_step_whatever_came_since(redis_url: str):
    redis = Redis.from_url(redis_url)
    progress = ReconcileProgress(redis)
    progress.put(42, Step.UNDECIDED)
    assert 0 < redis.ttl(keys.RECONCILED) <= LIFETIME.total_seconds()
    redis.expire(keys.RECONCILED, 60)
    progress.put(42, Step.DECIDED)
    progress.put(43, Step.COMPARED)
    assert 0 < redis.ttl(keys.RECONCILED) <= 60
    assert (progress.of(42), progress.of(43), progress.of(44)) == (Step.DECIDED, Step.COMPARED, None)
