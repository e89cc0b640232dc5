"""The client over real HTTP: what it asks, what it makes of every kind of answer, and that it keeps secrets."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
import redis

from strava_assets.errors import (
    AccessRefused,
    ApplicationInactive,
    ConfigurationError,
    LoginLost,
    MalformedPage,
    PermanentError,
    RateLimitExceeded,
    ScopeMissing,
    StravaAssetsError,
    StravaUnavailable,
)
from strava_assets.hours import Window
from strava_assets.services import open_client
from strava_assets.strava.client import StravaClient
from strava_assets.strava.rate_limits import Quota
from strava_assets.strava.tokens import Athlete
from strava_assets_tests.strava.fake_clock import FakeClock
from strava_assets_tests.strava.scripted_strava import CLIENT_SECRET, Reply, Request, ScriptedStrava, fault

LIST = "/api/v3/athlete/activities"
ANA = Athlete(7, "Ana Díaz", "STRAVA_TOKEN", None, None)
HOUR = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def stored(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def client(strava: ScriptedStrava, stored: redis.Redis, redis_url: str, clock: FakeClock) -> Iterator[StravaClient]:
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "athlete": {"id": 7, "firstname": "Ana"}}))
    with open_client(strava.settings(redis_url), may_use_reserve=True, clock=clock.clock) as client:
        yield client


def activities(count: int, every: timedelta = timedelta(hours=1)) -> list[dict[str, object]]:
    first = datetime(2020, 1, 1, 6, 30, tzinfo=UTC)
    return [{"id": 2**40 + n, "start_date": (first + n * every).isoformat()} for n in range(count)]


def listed(client: StravaClient, window: Window | None = None) -> list[int | None]:
    return [listed.activity.id for page in client.activities(ANA, window) for listed in page.activities]


def first_replies(*replies: Reply, path: str = LIST) -> Callable[[Request], Reply | None]:
    left = list(replies)
    return lambda request: left.pop(0) if request.path == path and left else None


def test_the_owner_of_the_old_dags_token_is_requested_once(
    client: StravaClient, strava: ScriptedStrava, stored: redis.Redis
) -> None:
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "kept": True}))
    expected = datetime.fromtimestamp(json.loads(stored.get("STRAVA_TOKEN") or "")["expires_at"], UTC)
    for _ in range(2):
        assert client.athletes() == [Athlete(7, "Ana Díaz", "STRAVA_TOKEN", expected, None)]
    assert client.requests_made == len(strava.requests) == 1
    token = json.loads(stored.get("STRAVA_TOKEN") or "")
    assert token["athlete"] == {"id": 7, "firstname": "Ana", "lastname": "Díaz"}
    assert token["kept"] is True


def test_a_void_token_of_the_old_dag_does_not_hide_the_other_athletes(
    client: StravaClient, strava: ScriptedStrava, stored: redis.Redis
) -> None:
    stored.set("STRAVA_TOKEN", json.dumps({"access_token": "void", "refresh_token": "void"}))
    with pytest.raises(LoginLost):
        client.athletes()
    stored.set("STRAVA_TOKEN:8", json.dumps({**strava.issue(8), "athlete": {"id": 8}}))
    assert [athlete.id for athlete in client.athletes()] == [8]


def test_nobody_logged_in_is_an_empty_list(client: StravaClient, stored: redis.Redis) -> None:
    stored.flushdb()
    assert client.athletes() == []


@pytest.mark.parametrize("count", [0, 1, 200, 450])
def test_a_whole_history_is_listed_in_order_within_the_promised_requests(
    client: StravaClient, strava: ScriptedStrava, count: int
) -> None:
    strava.athletes[7] = activities(count)
    assert listed(client) == [activity["id"] for activity in strava.athletes[7]]
    assert client.requests_made <= ceil(count / 200) + 2


def test_a_window_is_requested_with_a_second_around_it_and_the_token_in_the_header_only(
    client: StravaClient, strava: ScriptedStrava
) -> None:
    assert listed(client, Window.of(HOUR, HOUR)) == []
    (request,) = strava.requests
    start = int(HOUR.timestamp())
    assert request.query == {"after": str(start - 1), "before": str(start + 3601), "per_page": "200"}
    assert request.headers["Authorization"] == "Bearer access-1-of-7"


def test_each_page_comes_as_soon_as_it_is_there(client: StravaClient, strava: ScriptedStrava) -> None:
    strava.athletes[7] = activities(300)
    pages = client.activities(ANA, None)
    assert len(next(pages).activities) == 200
    assert client.requests_made == 1


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            Reply(503, {"message": "error"}),
            StravaUnavailable,
            "GET /athlete/activities failed after 4 attempts; last error: HTTP 503 error.",
        ),
        (
            Reply(reset=True),
            StravaUnavailable,
            "GET /athlete/activities failed after 4 attempts; last error: no connection to Strava, or it was reset.",
        ),
        (
            Reply(200, [{"id": 1}], cut_after=5),
            StravaUnavailable,
            "GET /athlete/activities failed after 4 attempts; last error: the answer was cut off.",
        ),
        (
            Reply(200, "<html>Welcome to the airport</html>", {"Content-Type": "text/html; charset=utf-8"}),
            MalformedPage,
            (
                "GET /athlete/activities failed after 4 attempts; last error: the answer "
                "(text/html, 35 bytes) is not what it should be: "
                "a JSON array was expected, not '<html>Welcome to the airport</html>'."
            ),
        ),
        (
            Reply(200, {"id": 1}),
            MalformedPage,
            (
                "GET /athlete/activities failed after 4 attempts; last error: the answer "
                "(application/json, 9 bytes) is not what it should be: a JSON array was expected, not '{\"id\": 1}'."
            ),
        ),
        (
            Reply(200, "[7]"),
            MalformedPage,
            (
                "GET /athlete/activities failed after 4 attempts; last error: the answer "
                "(application/json, 3 bytes) is not what it should be: element 0 of the array is not an object."
            ),
        ),
        (
            Reply(200, b'[{"name": "\xff"}]'),
            MalformedPage,
            (
                "GET /athlete/activities failed after 4 attempts; last error: the answer "
                "(application/json, 15 bytes) is not what it should be: "
                "'utf-8' codec can't decode byte 0xff in position 11: invalid start byte."
            ),
        ),
    ],
)
def test_what_may_pass_is_tried_four_times_with_growing_pauses(
    client: StravaClient,
    strava: ScriptedStrava,
    clock: FakeClock,
    bad: Reply,
    error: type[StravaAssetsError],
    message: str,
) -> None:
    strava.athletes[7] = activities(3)
    strava.script = first_replies(*[bad] * 4)
    with pytest.raises(error) as raised:
        listed(client)
    assert str(raised.value) == message
    assert client.requests_made == 4
    assert [round(pause) for pause in clock.slept] in ([0, 1, 2], [1, 1, 2])

    strava.script = first_replies(*[bad] * 3)
    assert len(listed(client)) == 3


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (
            fault(401, "AccessToken", "activity:read_permission", "missing"),
            ScopeMissing,
            (
                "The login of athlete 7 lacks activity:read_all, so Strava would not show every activity. The token "
                "shown on Strava's settings page has only `read`. Run: strava-assets login"
            ),
        ),
        (
            fault(403, "Application", "Status", "Inactive"),
            ApplicationInactive,
            (
                "Strava has switched this API application off, or its owner's subscription has lapsed (403 Inactive). "
                "See https://www.strava.com/settings/api."
            ),
        ),
        (
            fault(400, "Application", "after", "future"),
            PermanentError,
            "This machine's clock is ahead of Strava's; synchronise it (NTP).",
        ),
        (
            fault(403, "Athlete", "premium", "required"),
            PermanentError,
            "Strava refuses GET /athlete/activities: 403 Error (Athlete/premium/required).",
        ),
        (
            Reply(404, {"message": "Not Found"}),
            ConfigurationError,
            "Strava knows no GET /athlete/activities (404); check STRAVA_API_URL.",
        ),
        (
            Reply(302, "", {"Location": "/elsewhere"}),
            StravaUnavailable,
            (
                "GET /athlete/activities was answered with a redirect (302), which is not followed since it would "
                "carry the token elsewhere; check STRAVA_API_URL."
            ),
        ),
    ],
)
def test_a_permanent_error_is_requested_once_and_reported_in_one_line(
    client: StravaClient, strava: ScriptedStrava, reply: Reply, error: type[StravaAssetsError], message: str
) -> None:
    strava.script = first_replies(reply)
    with pytest.raises(error) as raised:
        listed(client)
    assert str(raised.value) == message
    assert len(strava.requests) == 1


def test_a_refused_token_is_renewed_once_and_the_request_repeated(client: StravaClient, strava: ScriptedStrava) -> None:
    strava.access.clear()
    assert listed(client) == []
    assert [request.path for request in strava.requests] == [LIST, LIST, "/oauth/token", LIST]


def test_a_token_refused_also_after_its_renewal_is_not_renewed_again_and_means_nothing(
    client: StravaClient, strava: ScriptedStrava
) -> None:
    def refuse(request: Request) -> Reply | None:
        return None if request.path == "/oauth/token" else fault(401, "Athlete", "access_token", "invalid")

    strava.script = refuse
    for _ in range(2):
        with pytest.raises(AccessRefused) as raised:
            listed(client)
        assert str(raised.value) == (
            "Strava answers GET /athlete/activities with 401 for athlete 7, although it has just renewed their token, "
            "so the grant lives. Try again later."
        )
        assert raised.value.athlete_id == 7
    assert len(strava.requests_to("/oauth/token")) == 1


def test_a_login_known_to_lack_the_scope_is_refused_without_a_request(
    client: StravaClient, strava: ScriptedStrava, stored: redis.Redis
) -> None:
    token = {**strava.issue(7), "athlete": {"id": 7}, "scope": "read activity:read"}
    stored.set("STRAVA_TOKEN", json.dumps(token))
    with pytest.raises(ScopeMissing):
        listed(client)
    assert strava.requests == []


def test_a_limit_reached_in_spite_of_all_is_waited_out_and_not_hammered(
    client: StravaClient, strava: ScriptedStrava, clock: FakeClock
) -> None:
    strava.script = first_replies(Reply(429, {"message": "Rate Limit Exceeded"}))
    assert listed(client) == []
    assert client.requests_made == 2
    assert clock.now() >= datetime(2026, 11, 22, 13, 15, 1, tzinfo=UTC)


def test_who_may_not_wait_gets_no_429_either(
    strava: ScriptedStrava, stored: redis.Redis, redis_url: str, clock: FakeClock
) -> None:
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "athlete": {"id": 7}}))
    with open_client(strava.settings(redis_url), max_wait=timedelta(0), clock=clock.clock) as client:
        for _ in range(75):
            listed(client, Window.of(HOUR, HOUR))
        with pytest.raises(RateLimitExceeded, match="75 of 100 requests used, 25 reserved for the hourly schedule"):
            listed(client, Window.of(HOUR, HOUR))
        assert client.quota() == Quota(75, 100, 75, 1000)
    assert strava.refused == 0


@pytest.mark.slow
def test_an_import_larger_than_a_days_quota_waits_and_goes_on_by_itself_without_one_429(
    strava: ScriptedStrava, stored: redis.Redis, redis_url: str, clock: FakeClock
) -> None:
    """2,500 pages, of small answers: what is counted and waited for are requests."""
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7), "athlete": {"id": 7}}))
    start, pages = clock.now(), 2500
    messages: list[str] = []

    def one_more(request: Request) -> Reply | None:
        if request.path != LIST or request.headers["Authorization"].removeprefix("Bearer ") not in strava.access:
            return None
        after = int(request.query["after"])
        number = 1 if after < 1_500_000_000 else (after - 1_500_000_000) // 1000 + 2
        headers = strava.count()
        moment = datetime.fromtimestamp(1_500_000_000 + 1000 * number - 999, UTC).isoformat()
        body = [] if number > pages else [{"id": number, "start_date": moment}]
        return Reply(429) if headers is None else Reply(200, body, headers)

    strava.script = one_more
    with open_client(
        strava.settings(redis_url), max_wait=timedelta(days=1), on_wait=messages.append, clock=clock.clock
    ) as client:
        assert len(set(listed(client))) == pages
    assert strava.refused == 0
    assert client.requests_made >= pages
    # Three quarters of 1,000 on each of the first three days, the rest on the fourth.
    assert clock.now().date() - start.date() == timedelta(days=3)
    assert sum("daily rate limit" in words for words in messages) == 3


def test_one_activity_is_reported_in_stravas_own_spelling(client: StravaClient, strava: ScriptedStrava) -> None:
    text = '{"id": 9007199254740993, "distance": 50.0, "upload_id":987654321234567891234}'
    strava.script = first_replies(Reply(200, text), path="/api/v3/activities/5")
    activity = client.activity(ANA, 5)
    assert activity is not None
    assert activity.text == text
    assert client.activity(ANA, 6) is None


@pytest.mark.parametrize("api_url", ["http://strava.example/api/v3", "http://10.0.0.1:8000"])
def test_a_token_is_not_sent_in_clear_text_to_another_machine(
    strava: ScriptedStrava, redis_url: str, api_url: str
) -> None:
    with pytest.raises(ConfigurationError, match="is not encrypted, and the token could be read on its way there"):
        open_client(strava.settings(redis_url, STRAVA_API_URL=api_url))
    allowed = strava.settings(redis_url, STRAVA_API_URL=api_url, OAUTHLIB_INSECURE_TRANSPORT="1")
    open_client(allowed).close()


def test_without_an_application_the_message_names_the_variable(redis_url: str, strava: ScriptedStrava) -> None:
    with pytest.raises(ConfigurationError, match=r"^STRAVA_CLIENT_ID is not set"):
        open_client(strava.settings(redis_url, STRAVA_CLIENT_ID=""))


def test_no_secret_is_in_any_log_or_error(
    client: StravaClient, strava: ScriptedStrava, stored: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """requests-oauthlib writes tokens into its debug log."""
    caplog.set_level(logging.DEBUG)
    messages: list[str] = []
    stored.set("STRAVA_TOKEN", json.dumps({**strava.issue(7, lifetime=1), "athlete": {"id": 7}}))
    strava.athletes[7] = activities(3)
    listed(client)
    for reply in (
        Reply(500),
        Reply(reset=True),
        Reply(200, "<html>"),
        fault(401, "Athlete", "access_token", "invalid"),
    ):
        strava.script = first_replies(*[reply] * 4)
        with pytest.raises(StravaAssetsError) as raised:
            listed(client)
        error: BaseException | None = raised.value
        while error:
            messages.append(f"{error!r} {error}")
            error = error.__cause__ or error.__context__
    secrets = [CLIENT_SECRET, "access-", "refresh-"]
    messages += [record.getMessage() for record in caplog.records] + [repr(client), repr(client.athletes())]
    assert any("urllib3" in record.name for record in caplog.records)
    assert [words for words in messages if any(secret in words for secret in secrets)] == []
