"""Tokens in a real Redis: the Airflow DAG's is used as it is, nothing of it is lost, and none is ever shown."""

import json
import threading
from datetime import UTC, datetime

import pytest
import redis

from strava_assets.errors import ConfigurationError
from strava_assets.state.connection import connect
from strava_assets.strava.tokens import Athlete, Token, TokenStore

OLD_TOKEN = {
    "token_type": "Bearer",
    "access_token": "old-access",
    "refresh_token": "old-refresh",
    "expires_at": 1795410000,
    "expires_in": 21600,
    "scope": ["activity:read_all"],
    "something": {"else": [1, 2.50]},
}


@pytest.fixture
def store(redis_url: str) -> TokenStore:
    return TokenStore(connect(redis_url))


def put(store: TokenStore, key: str, value: object) -> None:
    store.redis.set(key, value if isinstance(value, str) else json.dumps(value))


def test_a_token_of_the_old_dag_is_read_as_it_is(store: TokenStore) -> None:
    put(store, "STRAVA_TOKEN", OLD_TOKEN)
    token = store.load("STRAVA_TOKEN")
    assert token is not None
    assert (token.access_token, token.refresh_token, token.athlete_id) == ("old-access", "old-refresh", None)
    assert token.expires_at == datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def test_fields_that_nobody_here_knows_are_kept(store: TokenStore) -> None:
    token = Token(OLD_TOKEN).updated({"access_token": "new", "athlete": {"id": 7}})
    store.save("STRAVA_TOKEN", token)
    stored = json.loads(redis.Redis.get(store.redis, "STRAVA_TOKEN") or "")
    assert stored == {**OLD_TOKEN, "access_token": "new", "athlete": {"id": 7}}


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("read,activity:read_all", {"read", "activity:read_all"}),  # as the redirect writes it
        ("read activity:read_all", {"read", "activity:read_all"}),  # as token answers do since April 2026
        (["read", "activity:read_all"], {"read", "activity:read_all"}),  # as oauthlib stores it
        ("", None),
        (None, None),
        (42, None),
    ],
)
def test_scopes_are_read_in_every_spelling(scope: object, scopes: set[str] | None) -> None:
    assert Token({"scope": scope}).scopes == scopes


def test_athletes_are_listed_once_the_first_one_first(store: TokenStore) -> None:
    put(store, "STRAVA_TOKEN:12", {"access_token": "b", "athlete": {"id": 12}})
    put(store, "STRAVA_TOKEN:5", {"access_token": "c"})
    put(store, "STRAVA_TOKEN", {"access_token": "a", "athlete": {"id": 77, "firstname": "Ana", "lastname": "Díaz"}})
    put(store, "STRAVA_TOKEN:77", {"access_token": "d", "athlete": {"id": 77}})
    put(store, "STRAVA_TOKENS", "something else")
    put(store, "STRAVA_TOKEN:backup", "something else")
    assert store.athletes() == [
        Athlete(77, "Ana Díaz", "STRAVA_TOKEN", None, None),
        Athlete(5, None, "STRAVA_TOKEN:5", None, None),
        Athlete(12, None, "STRAVA_TOKEN:12", None, None),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "The Redis key STRAVA_TOKEN holds no JSON object. Delete the key, then run: strava-assets login"),
        ("[1]", "The Redis key STRAVA_TOKEN holds no JSON object. Delete the key, then run: strava-assets login"),
        (
            "{}",
            (
                "The Redis key STRAVA_TOKEN holds neither an access_token nor a refresh_token. "
                "Delete the key, then run: strava-assets login"
            ),
        ),
    ],
)
def test_what_is_no_token_is_reported_to_be_none(store: TokenStore, value: str, message: str) -> None:
    put(store, "STRAVA_TOKEN", value)
    with pytest.raises(ConfigurationError) as error:
        store.load("STRAVA_TOKEN")
    assert str(error.value) == message


@pytest.mark.parametrize("athlete_id", [True, "7", 7.5, None])
def test_an_id_that_is_no_integer_is_no_id(athlete_id: object) -> None:
    assert Token({"athlete": {"id": athlete_id}}).athlete_id is None


def test_deleting_an_athlete_removes_all_of_their_tokens_and_nobody_elses(store: TokenStore) -> None:
    put(store, "STRAVA_TOKEN", {"access_token": "a", "athlete": {"id": 7}})
    put(store, "STRAVA_TOKEN:7", {"access_token": "b"})
    put(store, "STRAVA_TOKEN:8", {"access_token": "c"})
    assert len(store.delete_athlete(7)) == 2
    assert store.keys() == ["STRAVA_TOKEN:8"]


def test_a_removed_token_is_not_brought_back_by_a_renewal_under_way(store: TokenStore) -> None:
    assert store.replace("STRAVA_TOKEN", Token(OLD_TOKEN)) is False
    assert store.keys() == []


def test_only_one_at_a_time_holds_a_tokens_lock(store: TokenStore) -> None:
    inside, most = 0, 0
    barrier = threading.Barrier(4)

    def work() -> None:
        nonlocal inside, most
        barrier.wait()
        with store.locked("STRAVA_TOKEN"):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.01)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_lock_of_a_process_that_died_is_free_again_after_its_lifetime(
    store: TokenStore,
) -> None:
    store.redis.lock("strava:lock:STRAVA_TOKEN", timeout=0.2).acquire()
    with store.locked("STRAVA_TOKEN"):
        assert store.redis.exists("strava:lock:STRAVA_TOKEN")
    assert not store.redis.exists("strava:lock:STRAVA_TOKEN")


def test_a_tokens_repr_shows_nothing_of_it() -> None:
    assert repr(Token(OLD_TOKEN)) == "Token()"
