"""What the redirect at the end of a login says, and where the token goes."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from strava_assets.errors import ConfigurationError, PermanentError, ScopeMissing, StravaAssetsError, StravaUnavailable
from strava_assets.services import open_client
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient
from strava_assets.strava.login import ForeignRedirect, Grant, Login, complete
from strava_assets.strava.logout import log_out
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import Athlete, TokenStore
from strava_assets_tests.strava.fake_clock import FakeClock
from strava_assets_tests.strava.scripted_strava import Reply, ScriptedStrava, fault

REDIRECT = "http://127.0.0.1:65432/strava"
ALL = frozenset({"read", "activity:read_all"})


@pytest.fixture
def oauth(strava: ScriptedStrava, redis_url: str, clock: FakeClock) -> OAuth:
    return OAuth(strava.settings(redis_url), clock.clock)


@pytest.fixture
def tokens(redis_url: str) -> TokenStore:
    return TokenStore(connect(redis_url))


@pytest.fixture
def client(strava: ScriptedStrava, redis_url: str, clock: FakeClock) -> Iterator[StravaClient]:
    with open_client(strava.settings(redis_url), clock=clock.clock) as client:
        yield client


def stored(tokens: TokenStore, key: str) -> dict[str, object]:
    fields = json.loads(redis.Redis.get(tokens.redis, key) or "")
    assert isinstance(fields, dict)
    return fields


def grant_to(strava: ScriptedStrava, athlete_id: int, scopes: frozenset[str] | None = ALL) -> Grant:
    code = f"code-of-{athlete_id}"
    strava.codes[code] = athlete_id
    return Grant(code, scopes)


def test_the_page_to_grant_access_on_asks_for_everything_and_leads_back_here(
    strava: ScriptedStrava, oauth: OAuth
) -> None:
    login = Login.begin(oauth, REDIRECT)
    assert login.url.startswith(f"{strava.url}/oauth/authorize?")
    assert parse_qs(urlsplit(login.url).query) == {
        "client_id": ["1"],
        "redirect_uri": [REDIRECT],
        "response_type": ["code"],
        "approval_prompt": ["force"],
        "scope": ["read,activity:read_all"],
        "state": [login.state],
    }
    assert login.state != Login.begin(oauth, REDIRECT).state


@pytest.mark.parametrize(
    ("query", "scopes"),
    [
        ("state={state}&code=abc&scope=read,activity:read_all", ALL),
        ("state={state}&code=abc&scope=read+activity%3Aread_all", ALL),
        ("state={state}&code=abc", None),
    ],
)
def test_a_redirect_of_this_login_holds_a_code_and_the_scopes(
    oauth: OAuth, query: str, scopes: frozenset[str] | None
) -> None:
    login = Login.begin(oauth, REDIRECT)
    assert login.grant(f"  {REDIRECT}?{query.format(state=login.state)}\n") == Grant("abc", scopes)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (
            "state={state}&error=access_denied",
            PermanentError,
            "Access was declined on Strava's page; nothing was stored.",
        ),
        (
            "state={state}&code=abc&scope=read,activity:read",
            ScopeMissing,
            (
                "activity:read_all was not granted, so private activities would be missing; nothing was stored. Run "
                "strava-assets login again and leave its box ticked."
            ),
        ),
        ("state={state}&scope=activity:read_all", ForeignRedirect, "That URL holds no code of Strava's."),
        ("state=other&code=abc", ForeignRedirect, "That URL does not belong to this login"),
        ("code=abc", ForeignRedirect, "That URL does not belong to this login"),
        ("", ForeignRedirect, "That URL does not belong to this login"),
    ],
)
def test_any_other_redirect_is_refused_in_words(
    oauth: OAuth, query: str, error: type[StravaAssetsError], message: str
) -> None:
    login = Login.begin(oauth, REDIRECT)
    with pytest.raises(error) as raised:
        login.grant(f"{REDIRECT}?{query.format(state=login.state)}")
    assert str(raised.value).startswith(message)


def test_the_first_athlete_gets_the_old_key_and_the_next_their_own(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    assert complete(grant_to(strava, 7), oauth, tokens, client).token_key == "STRAVA_TOKEN"
    athlete = complete(grant_to(strava, 8), oauth, tokens, client)
    assert athlete == Athlete(8, "Ana Díaz", "STRAVA_TOKEN:8", athlete.expires_at, ALL)
    assert [athlete.id for athlete in client.athletes()] == [7, 8]
    assert stored(tokens, "STRAVA_TOKEN:8")["athlete"] == {"id": 8, "firstname": "Ana", "lastname": "Díaz"}


def test_who_logs_in_again_gets_a_new_token_in_the_same_place(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    for athlete_id in (7, 8, 7, 8):
        complete(grant_to(strava, athlete_id), oauth, tokens, client)
    assert tokens.keys() == ["STRAVA_TOKEN", "STRAVA_TOKEN:8"]
    assert stored(tokens, "STRAVA_TOKEN")["refresh_token"] == "refresh-3-of-7"


def test_a_token_of_the_old_dag_is_replaced_by_its_owners_login_with_its_other_fields_kept(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    tokens.redis.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "kept": 1}))
    complete(grant_to(strava, 7), oauth, tokens, client)
    assert tokens.keys() == ["STRAVA_TOKEN"]
    assert stored(tokens, "STRAVA_TOKEN")["kept"] == 1


def test_a_token_of_the_old_dag_that_belongs_to_another_athlete_stays(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    tokens.redis.set("STRAVA_TOKEN", json.dumps(strava.issue(7)))
    assert complete(grant_to(strava, 8), oauth, tokens, client).token_key == "STRAVA_TOKEN:8"


def test_a_void_token_of_the_old_dag_makes_room(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    tokens.redis.set("STRAVA_TOKEN", json.dumps({"access_token": "void", "refresh_token": "void"}))
    assert complete(grant_to(strava, 8), oauth, tokens, client).token_key == "STRAVA_TOKEN"
    assert "void" not in json.dumps(stored(tokens, "STRAVA_TOKEN"))


def test_a_token_that_cannot_be_read_is_reported_before_the_code_is_spent(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    complete(grant_to(strava, 7), oauth, tokens, client)
    tokens.redis.set("STRAVA_TOKEN:9", "no JSON")
    grant = grant_to(strava, 8)
    with pytest.raises(ConfigurationError, match="The Redis key STRAVA_TOKEN:9 holds no JSON object"):
        complete(grant, oauth, tokens, client)
    tokens.redis.delete("STRAVA_TOKEN:9")
    assert complete(grant, oauth, tokens, client).id == 8


def test_a_code_works_once(strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient) -> None:
    grant = grant_to(strava, 7)
    complete(grant, oauth, tokens, client)
    with pytest.raises(PermanentError, match="it works once and not for long"):
        complete(grant, oauth, tokens, client)


def test_scopes_that_only_the_token_answer_names_count_too(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    body = {**strava.issue(7), "athlete": {"id": 7}, "scope": "read activity:read"}
    strava.script = lambda request: Reply(200, body) if request.path == "/oauth/token" else None
    with pytest.raises(ScopeMissing):
        complete(grant_to(strava, 7, scopes=None), oauth, tokens, client)
    assert tokens.keys() == []


def test_neither_code_nor_state_is_in_a_repr(oauth: OAuth) -> None:
    login = Login.begin(oauth, REDIRECT)
    assert "abc" not in repr(Grant("abc", None))
    assert login.state not in repr(login).replace(login.url, "")


def test_a_logout_ends_the_grant_and_removes_the_token(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    key = complete(grant_to(strava, 7), oauth, tokens, client).token_key
    assert log_out(key, oauth, tokens, even_if_strava_does_not_know=False) is None
    assert tokens.keys() == []
    assert strava.refresh == strava.access == {}
    (request,) = strava.requests_to("/oauth/revoke")
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.form == {"token": "refresh-1-of-7"}


def test_a_logout_that_strava_cannot_be_told_keeps_the_token_unless_forced(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient
) -> None:
    key = complete(grant_to(strava, 7), oauth, tokens, client).token_key
    strava.script = lambda request: Reply(503) if request.path == "/oauth/revoke" else None
    with pytest.raises(StravaUnavailable):
        log_out(key, oauth, tokens, even_if_strava_does_not_know=False)
    assert tokens.keys() == [key]
    assert isinstance(log_out(key, oauth, tokens, even_if_strava_does_not_know=True), StravaUnavailable)
    assert tokens.keys() == []


@pytest.mark.parametrize(
    ("reply", "is_kept"),
    [
        (fault(401, "Athlete", "access_token", "invalid"), False),  # void already, which is what was wanted
        (fault(401, "Application", "", "invalid"), True),
        (Reply(401, {"error": "invalid_client"}), True),
    ],
)
def test_a_void_token_is_no_obstacle_to_a_logout_and_a_wrong_client_secret_is(
    strava: ScriptedStrava, oauth: OAuth, tokens: TokenStore, client: StravaClient, reply: Reply, *, is_kept: bool
) -> None:
    key = complete(grant_to(strava, 7), oauth, tokens, client).token_key
    strava.script = lambda request: reply if request.path == "/oauth/revoke" else None
    if is_kept:
        with pytest.raises(
            ConfigurationError, match="Strava does not accept STRAVA_CLIENT_ID with STRAVA_CLIENT_SECRET"
        ):
            log_out(key, oauth, tokens, even_if_strava_does_not_know=False)
    else:
        log_out(key, oauth, tokens, even_if_strava_does_not_know=False)
    assert (tokens.keys() == [key]) is is_kept
