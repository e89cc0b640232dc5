"""What a run says when something is missing or wrong: one line that says what, where, and what to do."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import boto3
import pytest
from redis import Redis

from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import problem, run

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR
Environment = dict[str, str]


@pytest.fixture
def strava(strava: Simulation) -> Simulation:
    """With an activity in the last hour."""
    strava.add_activity(42, start_date=at(HOUR_AGO))
    return strava


def store_token(environment: Environment, token: dict[str, object]) -> None:
    Redis.from_url(environment["REDIS_URL"]).set("STRAVA_TOKEN", json.dumps(token))


def nobody(environment: Environment, _strava: Simulation, _set: Callable[[str, str], None]) -> None:
    Redis.from_url(environment["REDIS_URL"]).delete("STRAVA_TOKEN")


def token_of_the_settings_page(environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    token = strava.grant(42, scopes=["read"])
    store_token(environment, {name: value for name, value in token.items() if name != "scope"})


def scope_unticked(environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    store_token(environment, strava.grant(42, scopes=["read", "activity:read"]))


def revoked(_environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    strava.revoke(42)


def refresh_token_void(environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    store_token(environment, {**strava.grant(42), "expires_at": 1, "refresh_token": "void"})


def wrong_secret(environment: Environment, strava: Simulation, change: Callable[[str, str], None]) -> None:
    store_token(environment, {**strava.grant(42), "expires_at": 1})
    change("STRAVA_CLIENT_SECRET", "wrong-secret")


def lapsed(_environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    strava.faults.add("inactive", count=None)


def no_bucket(_environment: Environment, _strava: Simulation, change: Callable[[str, str], None]) -> None:
    change("S3_BUCKET", "nowhere-at-all")


def wrong_keys(_environment: Environment, _strava: Simulation, change: Callable[[str, str], None]) -> None:
    change("AWS_SECRET_ACCESS_KEY", "wrong-key")


def no_postgres(_environment: Environment, _strava: Simulation, change: Callable[[str, str], None]) -> None:
    change("DATABASE_URL", "postgresql://u:hidden-word@127.0.0.1:1/strava")


def no_redis(_environment: Environment, _strava: Simulation, change: Callable[[str, str], None]) -> None:
    change("REDIS_URL", "redis://:hidden-word@127.0.0.1:1/0")


def html_page(_environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    strava.faults.add("html", count=None)


def wrong_shape(_environment: Environment, strava: Simulation, _set: Callable[[str, str], None]) -> None:
    strava.faults.add("body", body='{"message": "hello"}', count=None)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (nobody, r"Nobody is logged in to Strava\. Run: strava-assets login"),
        (token_of_the_settings_page, r".*activity:read.*only.*strava-assets login.*"),
        (scope_unticked, r".*42.*activity:read_all.*strava-assets login.*"),
        (revoked, r".*42.*strava-assets login.*"),
        (refresh_token_void, r".*42.*strava-assets login.*"),
        (wrong_secret, r".*STRAVA_CLIENT_SECRET.*"),
        (lapsed, r".*(subscription|inactive).*"),
        (no_bucket, r"The bucket 'nowhere-at-all' does not exist at http.*strava-assets init.*"),
        (wrong_keys, r"S3 at http.* denies access to the bucket .* Check AWS_ACCESS_KEY_ID.*"),
        (no_postgres, r"Postgres at 127\.0\.0\.1:1 does not answer .*Check DATABASE_URL\."),
        (no_redis, r"Redis at 127\.0\.0\.1:1 does not answer.*REDIS_URL.*"),
        (html_page, r".*text/html.*"),
        (wrong_shape, r".*JSON array.*"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_run_ends_with_one_clear_line_and_nothing_half_written(
    strava: Simulation,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Environment, Simulation, Callable[[str, str], None]], None],
    message: str,
):
    break_it(environment, strava, monkeypatch.setenv)
    result = run(HOUR_AGO)
    assert not result.success
    line = problem(result)
    assert re.fullmatch(message, line), line
    secrets = {environment["STRAVA_CLIENT_SECRET"], "hidden-word", "wrong-secret", "wrong-key"}
    secrets |= set(strava.tokens.access) | set(strava.tokens.refresh)
    assert not any(secret in line for secret in secrets)
    listed = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    ).list_objects_v2(Bucket=environment["S3_BUCKET"])
    assert "Contents" not in listed


def test_tables_that_were_never_made_are_reported(environment: Environment, simulation: Simulation):
    simulation.add_athlete(42)
    store_token(environment, simulation.grant(42))
    line = problem(run(HOUR_AGO))
    assert re.fullmatch(
        r"The tables in the database .* are missing or too old\. Migrate it with: strava-assets init\.", line
    )


def test_a_range_the_wrong_way_round_is_refused(strava: Simulation):
    assert strava.accounts
    later, earlier = (f"{hour:%Y-%m-%d-%H:00}" for hour in (HOUR_AGO, HOUR_AGO - 5 * HOUR))
    tags = {"dagster/asset_partition_range_start": later, "dagster/asset_partition_range_end": earlier}
    result = run(HOUR_AGO, tags=tags)
    assert not result.success
    assert problem(result) == "The range of partitions is empty. Give the earlier hour first: FROM...TO."


def test_hours_before_the_first_partition_are_refused_before_anything_is_fetched(strava: Simulation):
    first = Settings.from_environment().start_date
    assert problem(run(Window.of(first - 2 * HOUR, first))) == (
        f"{first - 2 * HOUR:%Y-%m-%d-%H:00}...{first:%Y-%m-%d-%H:00} begins before the first partition; "
        "STRAVA_START_DATE moves it."
    )
    assert not strava.requests
