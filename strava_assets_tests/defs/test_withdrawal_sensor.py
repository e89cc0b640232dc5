"""Withdrawals of access, from whoever sees the first refusal to the request of a purge: ticks on real servers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from redis import Redis

from strava_assets.defs.build import build_definitions
from strava_assets.hours import HOUR, floor_to_hour
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.state.revocations import PAUSES, Revocations
from strava_assets_tests.dagster_runs import problem, run, tick

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR
EVIDENCE = "strava:evidence:STRAVA_TOKEN"


@pytest.fixture
def redis(environment: dict[str, str], simulation: Simulation) -> Redis:
    """One athlete, logged in, and migrated tables."""
    migrate(Settings.from_environment().database_url)
    simulation.add_athlete(42)
    redis = Redis.from_url(environment["REDIS_URL"])
    redis.set("STRAVA_TOKEN", json.dumps(simulation.grant(42)))
    return redis


@pytest.fixture
def instance(redis: Redis) -> Iterator[dg.DagsterInstance]:
    assert redis
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def pass_minutes(redis: Redis) -> None:
    """Let the time pass after which Strava is asked again about a refused login."""
    for fact in ("refused", "last_check"):
        redis.hset(EVIDENCE, fact, repr(float(redis.hget(EVIDENCE, fact) or 0) - 600))


def requests_of(instance: dg.DagsterInstance) -> int:
    return len(tick("strava_withdrawals", instance).run_requests or [])


def check_of(result: dg.ExecuteInProcessResult) -> str:
    """What the check says that every athlete was fetched, which failed."""
    [check] = [each for each in result.get_asset_check_evaluations() if each.check_name == "all_athletes_fetched"]
    assert not check.passed
    return str(check.description)


def test_a_withdrawal_that_an_hourly_run_sees_first_is_checked_again_and_its_purge_requested(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation
) -> None:
    assert requests_of(instance) == 0
    assert simulation.requests == []
    simulation.revoke(42)
    result = run(HOUR_AGO, instance=instance)
    assert "Strava has refused the refresh token of athlete 42" in problem(result)
    assert requests_of(instance) == 0
    pass_minutes(redis)
    assert requests_of(instance) == 1
    assert list(Revocations(redis).athletes()) == [42]


def test_a_run_that_could_read_nobody_names_each_athlete_and_the_ways_out_in_its_check(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation
) -> None:
    simulation.add_athlete(43)
    for athlete_id, key in ((42, "STRAVA_TOKEN"), (43, "STRAVA_TOKEN:43")):
        redis.set(key, json.dumps({**simulation.grant(athlete_id), "expires_at": 1}))
        simulation.revoke(athlete_id)
    result = run(HOUR_AGO, instance=instance)
    assert not result.success
    told = check_of(result)
    for athlete_id in (42, 43):
        assert told.count(f"Strava has refused the refresh token of athlete {athlete_id} since 20") == 1
        assert f"strava-assets purge --athlete {athlete_id}" in told
    assert "strava-assets login" in told


def test_a_run_that_meets_a_proven_withdrawal_names_it_once(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation
) -> None:
    simulation.revoke(42)
    run(HOUR_AGO, instance=instance)
    pass_minutes(redis)
    result = run(HOUR_AGO, instance=instance)
    assert not result.success
    assert check_of(result).count("Athlete 42 withdrew access on 20") == 1


def test_an_outage_of_strava_fails_a_run_but_no_check(
    instance: dg.DagsterInstance, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redis
    monkeypatch.setenv("STRAVA_BASE_URL", "http://127.0.0.1:1")
    result = run(HOUR_AGO, instance=instance)
    assert not result.success
    assert result.get_asset_check_evaluations() == []


def test_a_reconciliation_sees_and_records_the_same(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation
) -> None:
    simulation.revoke(42)
    job = build_definitions(Settings.from_environment()).resolve_job_def("reconcile_history")
    for _ in range(2):
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        pass_minutes(redis)
    assert list(Revocations(redis).athletes()) == [42]


def test_a_purge_that_failed_or_was_cancelled_is_requested_again_after_minutes_then_less_often(
    instance: dg.DagsterInstance, redis: Redis
) -> None:
    revocations = Revocations(redis)
    revocations.mark(42, HOUR_AGO)
    assert requests_of(instance) == 1
    assert requests_of(instance) == 0
    moment = datetime.now(UTC)
    for pause in [*PAUSES, PAUSES[-1]]:
        assert revocations.due(moment + pause - timedelta(seconds=30)) == []
        moment += pause + timedelta(seconds=1)
        assert revocations.due(moment) == [42]
        revocations.count_try(42, moment)
    assert PAUSES[0] == timedelta(minutes=2)
    revocations.unmark(42)
    revocations.mark(42, moment)
    assert revocations.due(moment) == [42]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_a_purge_that_is_queued_or_under_way_is_not_requested_again(
    instance: dg.DagsterInstance, redis: Redis, status: dg.DagsterRunStatus
) -> None:
    Revocations(redis).mark(42, HOUR_AGO)
    job = build_definitions(Settings.from_environment()).resolve_job_def("purge_athlete")
    # A run that is not queued yet may be created so; its origin does not matter here.
    created = instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
    if status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(created)
    assert requests_of(instance) == 0
    instance.report_run_failed(created)
    assert requests_of(instance) == 1


def test_purges_do_not_wait_for_a_strava_that_is_away(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation.revoke(42)
    assert not run(HOUR_AGO, instance=instance).success
    pass_minutes(redis)
    Revocations(redis).mark(4242, HOUR_AGO)
    monkeypatch.setenv("STRAVA_BASE_URL", "http://127.0.0.1:1")
    assert requests_of(instance) == 1


def test_an_owner_can_have_the_purge_wait_for_confirmation(
    instance: dg.DagsterInstance, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAVA_PURGE_ON_REVOKE", "confirm")
    Revocations(redis).mark(42, HOUR_AGO)
    found = tick("strava_withdrawals", instance)
    assert not found.run_requests
    assert isinstance(found.skip_reason, dg.SkipReason)
    assert "Run strava-assets purge" in str(found.skip_reason.skip_message)
    assert "42" not in str(found.skip_reason.skip_message)


def test_a_lost_login_is_reported_by_the_check_while_the_run_still_reads(
    instance: dg.DagsterInstance, redis: Redis, simulation: Simulation
) -> None:
    """A renewal was killed when the access token had hours left."""
    token = json.loads(redis.get("STRAVA_TOKEN") or "")
    EvidenceStore(redis).begin_renewal("STRAVA_TOKEN", token["refresh_token"])
    simulation.refresh(token["refresh_token"])
    result = run(HOUR_AGO, instance=instance)
    assert result.success, problem(result)
    assert "while it was renewed" in check_of(result)
    assert "strava-assets login" in check_of(result)
