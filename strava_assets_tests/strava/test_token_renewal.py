"""The whole life of a token: used, renewed by one at a time, saved before it is used, lost, revoked."""

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest

from strava_assets.errors import AthleteError, ConfigurationError, LoginLost, StravaUnavailable, TokenBusy
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava import tokens as tokens_module
from strava_assets.strava.clock import REAL, Clock
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.token_renewal import Access
from strava_assets.strava.tokens import Token, TokenStore
from strava_assets_tests.strava.fake_clock import FakeClock
from strava_assets_tests.strava.scripted_strava import Reply, Request, ScriptedStrava

KEY = "STRAVA_TOKEN"
MINUTE = 60

RENEWAL_LOST = (
    "Strava has refused the refresh token of athlete 7 since 2026-11-22 13:02 UTC: a process died, or the network "
    "failed, while it was renewed, or access was withdrawn. Log in again: strava-assets login; or delete the data: "
    "strava-assets purge --athlete 7"
)


@pytest.fixture
def store(redis_url: str) -> TokenStore:
    return TokenStore(connect(redis_url))


@pytest.fixture
def access(strava: ScriptedStrava, store: TokenStore, redis_url: str, clock: FakeClock) -> Access:
    return access_to(strava.settings(redis_url), store, clock.clock)


def access_to(settings: Settings, store: TokenStore, clock: Clock) -> Access:
    return Access(OAuth(settings, clock), store, clock)


def log_in(strava: ScriptedStrava, store: TokenStore, lifetime: float, **more: object) -> dict[str, Any]:
    fields = {**strava.issue(7, lifetime), "athlete": {"id": 7}, **more}
    store.save(KEY, Token(fields))
    return fields


def stored(store: TokenStore) -> dict[str, Any]:
    token = store.load(KEY)
    assert token is not None
    return dict(token.fields)


def test_a_token_with_more_than_half_an_hour_left_is_used_as_it_is(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    fields = log_in(strava, store, 31 * MINUTE)
    assert access.token(KEY).access_token == fields["access_token"]
    assert strava.requests == []


@pytest.mark.parametrize("lifetime", [29 * MINUTE, 1, -86400])
def test_a_token_about_to_end_is_renewed_and_saved_with_all_its_other_fields(
    strava: ScriptedStrava, store: TokenStore, access: Access, clock: FakeClock, lifetime: float
) -> None:
    fields = log_in(strava, store, lifetime, note={"kept": 1})
    token = access.token(KEY)
    assert stored(store) == token.fields
    assert stored(store) == {
        **fields,
        "access_token": "access-2-of-7",
        "refresh_token": "refresh-2-of-7",
        "expires_at": int(clock.now().timestamp()) + 6 * 3600,
        "expires_in": 6 * 3600,
        "scope": ["read", "activity:read_all"],
    }
    (request,) = strava.requests
    assert request.form["grant_type"] == "refresh_token"
    assert request.query == {}
    assert "Authorization" not in request.headers


def test_a_token_that_names_no_end_is_used_until_strava_refuses_it(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    fields = log_in(strava, store, 0, expires_at=None)
    assert access.token(KEY).access_token == fields["access_token"]
    assert access.instead_of(Token(fields), KEY).access_token == "access-2-of-7"


def test_threads_that_renew_at_once_ask_strava_once(strava: ScriptedStrava, store: TokenStore, access: Access) -> None:
    log_in(strava, store, MINUTE)
    with ThreadPoolExecutor(4) as threads:
        tokens = list(threads.map(access.token, [KEY] * 4))
    assert {token.access_token for token in tokens} == {"access-2-of-7"}
    assert len(strava.requests) == 1


def _renew_in_a_process(settings: Settings, barrier: Barrier, results: "multiprocessing.Queue[str]") -> None:
    access = access_to(settings, TokenStore(connect(settings.redis_url)), REAL)
    barrier.wait(300)
    results.put(access.token(KEY).access_token)


def test_processes_that_renew_at_once_ask_strava_once(store: TokenStore, redis_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    with ScriptedStrava(REAL.now) as strava:
        log_in(strava, store, MINUTE)
        processes = [
            context.Process(target=_renew_in_a_process, args=(strava.settings(redis_url), barrier, results))
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        assert [results.get(timeout=60) for _ in processes] == ["access-2-of-7"] * 2
        for process in processes:
            process.join()
        assert len(strava.requests) == 1


class _DiesBeforeSaving(TokenStore):
    def replace(self, _key: str, _token: Token) -> bool:
        os._exit(9)


def _die_before_saving(settings: Settings) -> None:
    tokens_module.LOCK_LIFETIME = 0.5
    access_to(settings, _DiesBeforeSaving(connect(settings.redis_url)), REAL).token(KEY)


def test_a_crash_between_stravas_answer_and_the_save_ends_in_words_that_ask_for_a_login(
    strava: ScriptedStrava, store: TokenStore, access: Access, redis_url: str
) -> None:
    log_in(strava, store, -86400 * 365)
    process = multiprocessing.get_context("spawn").Process(
        target=_die_before_saving, args=(strava.settings(redis_url),)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    for _ in range(2):
        with pytest.raises(LoginLost) as error:
            access.token(KEY)
        assert str(error.value) == RENEWAL_LOST
        assert error.value.athlete_id == 7


def test_an_answer_that_never_arrived_looks_lost_and_not_revoked(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, -1)

    def renew_but_lose_the_answer(_request: Request) -> Reply:
        strava.issue(7, 6 * 3600)
        return Reply(reset=True)

    strava.script = renew_but_lose_the_answer
    with pytest.raises(StravaUnavailable):
        access.token(KEY)
    strava.script = lambda _: None
    with pytest.raises(LoginLost, match="while it was renewed"):
        access.token(KEY)


def test_a_refused_refresh_token_is_remembered_and_tried_again_rarely(
    strava: ScriptedStrava, store: TokenStore, access: Access, clock: FakeClock
) -> None:
    fields = log_in(strava, store, -1)
    del strava.refresh[fields["refresh_token"]]
    for _ in range(115):
        with pytest.raises(LoginLost):
            access.token(KEY)
        clock.sleep(1)
    assert len(strava.requests) == 1
    log_in(strava, store, MINUTE)  # another refresh token under the same key
    assert access.token(KEY).access_token == "access-3-of-7"


def test_a_token_that_redis_does_not_take_is_reported_to_be_lost(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, MINUTE)

    def refuse_writes(request: Request) -> None:
        if request.path == "/oauth/token":
            store.redis.config_set("min-replicas-to-write", 1)

    strava.script = refuse_writes
    try:
        with pytest.raises(LoginLost) as error:
            access.token(KEY)
    finally:
        store.redis.config_set("min-replicas-to-write", 0)
    assert str(error.value) == (
        "Strava renewed the token in STRAVA_TOKEN, but Redis did not take it, and the old one is void. "
        "Log in again: strava-assets login"
    )


@pytest.mark.parametrize("seconds_away", [8, 200])
def test_redis_may_be_away_for_as_long_as_the_lock_lives_between_answer_and_save(
    strava: ScriptedStrava, store: TokenStore, redis_url: str, clock: FakeClock, seconds_away: int
) -> None:
    log_in(strava, store, MINUTE)

    def refuse_writes(_request: Request) -> None:
        store.redis.config_set("min-replicas-to-write", 1)

    strava.script = refuse_writes

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if sum(clock.slept) >= seconds_away:
            store.redis.config_set("min-replicas-to-write", 0)

    access = access_to(strava.settings(redis_url), store, replace(clock.clock, sleep=sleep))
    try:
        assert access.token(KEY).access_token == stored(store)["access_token"] == "access-2-of-7"
    finally:
        store.redis.config_set("min-replicas-to-write", 0)


def test_a_token_that_the_old_dag_renewed_without_the_lock_is_used(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, MINUTE)

    def rotate_first(request: Request) -> None:
        if request.path == "/oauth/token" and len(strava.requests) == 1:
            log_in(strava, store, 6 * 3600)

    strava.script = rotate_first
    assert access.token(KEY).access_token == "access-2-of-7"


def test_a_token_that_the_old_dag_renewed_while_strava_was_away_is_used(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, MINUTE)

    def rotate_and_be_away_once(request: Request) -> Reply | None:
        if request.path != "/oauth/token" or len(strava.requests) > 1:
            return None
        log_in(strava, store, 6 * 3600)
        return Reply(503)

    strava.script = rotate_and_be_away_once
    assert access.token(KEY).access_token == "access-2-of-7"


def test_a_renewal_that_another_process_is_at_is_not_waited_for_while_the_token_can_be_used(
    strava: ScriptedStrava, store: TokenStore, redis_url: str, clock: FakeClock
) -> None:
    fields = log_in(strava, store, 20 * MINUTE)
    hasty = Access(OAuth(strava.settings(redis_url), clock.clock), store, clock.clock, lock_wait=0.1)
    with store.locked(KEY):
        assert hasty.token(KEY).access_token == fields["access_token"]
        clock.sleep(20 * MINUTE)
        with pytest.raises(TokenBusy, match="ends within 4 minutes") as error:
            hasty.token(KEY)
    assert isinstance(error.value, AthleteError)  # so that the other athletes go on
    assert strava.requests == []


def test_a_removed_token_leaves_no_note_of_its_renewal(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, -1)
    strava.script = lambda _: Reply(503)
    with pytest.raises(StravaUnavailable):
        access.token(KEY)
    store.delete(KEY)
    assert list(store.redis.scan_iter("*STRAVA_TOKEN*")) == []


def test_a_token_removed_during_its_renewal_stays_removed(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    log_in(strava, store, MINUTE)
    strava.script = lambda _: store.delete(KEY)
    with pytest.raises(ConfigurationError, match="deleted while it was renewed"):
        access.token(KEY)
    assert store.keys() == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lambda _: Reply(503, "<html>"), "POST /oauth/token failed after 4 attempts; last error: HTTP 503."),
        (
            lambda _: Reply(200, "<html>", {"Content-Type": "text/html"}),
            "POST /oauth/token failed after 4 attempts; last error: the answer holds no token (text/html).",
        ),
        (
            lambda _: Reply(reset=True),
            "POST /oauth/token failed after 4 attempts; last error: no connection to Strava, or it was reset.",
        ),
    ],
)
def test_an_ended_token_that_cannot_be_renewed_now_says_that_strava_is_away(
    strava: ScriptedStrava, store: TokenStore, access: Access, script: Callable[[Request], Reply], message: str
) -> None:
    log_in(strava, store, -1)
    strava.script = script
    with pytest.raises(StravaUnavailable) as error:
        access.token(KEY)
    assert str(error.value) == message


def test_a_token_with_minutes_left_is_used_while_stravas_oauth_is_away(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    fields = log_in(strava, store, 20 * MINUTE)
    strava.script = lambda _: Reply(503)
    assert access.token(KEY).access_token == fields["access_token"]


def test_a_wrong_client_secret_is_named(
    strava: ScriptedStrava, store: TokenStore, redis_url: str, clock: FakeClock
) -> None:
    fields = log_in(strava, store, MINUTE)
    settings = strava.settings(redis_url, STRAVA_CLIENT_SECRET="wrong-one")
    with pytest.raises(ConfigurationError) as error:
        access_to(settings, store, clock.clock).token(KEY)
    assert str(error.value) == (
        "Strava does not accept STRAVA_CLIENT_ID with STRAVA_CLIENT_SECRET. "
        "Compare both with https://www.strava.com/settings/api."
    )
    assert stored(store) == fields


def test_without_a_login_the_message_says_how_to_log_in(access: Access) -> None:
    with pytest.raises(ConfigurationError) as error:
        access.token(KEY)
    assert str(error.value) == "Nobody is logged in under STRAVA_TOKEN any more. Run: strava-assets login"


def test_a_refused_token_without_a_refresh_token_asks_for_a_login(
    strava: ScriptedStrava, store: TokenStore, access: Access
) -> None:
    fields = log_in(strava, store, 0)
    del fields["refresh_token"]
    store.save(KEY, Token(fields))
    assert access.token(KEY).access_token == fields["access_token"]
    with pytest.raises(LoginLost, match=r"holds no refresh_token\. Log in again: strava-assets login"):
        access.instead_of(Token(fields), KEY)


def test_a_login_over_the_margin_outlives_clocks_that_differ_by_minutes(
    strava: ScriptedStrava, store: TokenStore, access: Access, clock: FakeClock
) -> None:
    """Every token that is handed out has far more left than any request takes."""
    log_in(strava, store, 6 * 3600)
    for _ in range(50):
        clock.sleep(700)
        expires_at = access.token(KEY).expires_at
        assert expires_at is not None
        assert expires_at - clock.now() > timedelta(minutes=29)
    assert json.loads(Token(stored(store)).to_json()) == stored(store)
