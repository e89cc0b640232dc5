"""The simulated Strava over real HTTP: what the other tests rely on."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation()
    simulation.add_athlete(42)
    return simulation


@pytest.fixture
def url(simulation: Simulation) -> Iterator[str]:
    with serve(simulation) as url:
        yield url


def get(url: str, token: dict[str, Any], path: str = "/athlete/activities", **query: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    return requests.get(f"{url}/api/v3{path}", params=query, headers=headers, timeout=10)


def upload(simulation: Simulation, hours: int, **fields: Any) -> int:
    start = (NOON + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    return simulation.add_activity(42, start_date=start, **fields)


def ids(answer: requests.Response) -> list[int]:
    return [each["id"] for each in answer.json()]


def test_the_list_is_newest_first_but_oldest_first_once_after_is_given(simulation: Simulation, url: str):
    token = simulation.grant()
    uploaded = [upload(simulation, hours) for hours in (0, 1, 2)]
    assert ids(get(url, token)) == uploaded[::-1]
    assert ids(get(url, token, after=0)) == uploaded
    noon = int(NOON.timestamp())
    assert ids(get(url, token, after=noon, before=noon + 7200)) == uploaded[1:2]
    assert ids(get(url, token, after=0, per_page=2, page=2)) == uploaded[2:]
    assert get(url, token, per_page=201).status_code == 400


def test_after_in_the_future_is_refused_as_strava_words_it(simulation: Simulation, url: str):
    answer = get(url, simulation.grant(), after=int(simulation.clock.time()) + 100)
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Bad Request",
        "errors": [{"resource": "Application", "field": "after", "code": "future"}],
    }


def test_without_read_all_private_activities_vanish_and_places_are_cut(simulation: Simulation, url: str):
    seen, hidden = upload(simulation, 0, start_latlng=[47.0, 8.0]), upload(simulation, 1, private=True)
    half = simulation.grant(scopes=["read", "activity:read"])
    assert [(each["id"], each["start_latlng"]) for each in get(url, half).json()] == [(seen, [])]
    assert get(url, half, f"/activities/{hidden}").status_code == 404
    refused = get(url, simulation.grant(scopes=["read"]))
    assert refused.status_code == 401
    assert refused.json()["errors"][0] == {
        "resource": "AccessToken", "field": "activity:read_permission", "code": "missing",
    }  # fmt: skip


def renew(simulation: Simulation, url: str, refresh_token: str, secret: str | None = None) -> requests.Response:
    form = {
        "client_id": simulation.client_id,
        "client_secret": secret or simulation.client_secret,
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
    }
    return requests.post(f"{url}/oauth/token", data=form, timeout=10)


def test_a_refresh_token_works_once_and_the_access_token_changes_in_its_last_hour(simulation: Simulation, url: str):
    token = simulation.grant()
    early = renew(simulation, url, token["refresh_token"]).json()
    assert early["access_token"] == token["access_token"]
    assert early["refresh_token"] != token["refresh_token"]
    assert renew(simulation, url, token["refresh_token"]).json()["errors"] == [
        {"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}
    ]
    simulation.advance(5.5 * 3600)
    late = renew(simulation, url, early["refresh_token"]).json()
    assert late["access_token"] != token["access_token"]
    assert get(url, token).status_code == 200  # the older one works until it expires
    simulation.advance(3600)
    assert get(url, token).status_code == 401
    assert get(url, late).status_code == 200
    assert renew(simulation, url, late["refresh_token"], secret="wrong").status_code == 401


def test_the_login_page_lets_scopes_be_unticked_and_gives_a_code_that_works_once(simulation: Simulation, url: str):
    query = {"client_id": simulation.client_id, "redirect_uri": "http://127.0.0.1:1/back", "state": "s"}
    page = requests.get(f"{url}/oauth/authorize", params={**query, "scope": "read,activity:read_all"}, timeout=10)
    assert 'value="activity:read_all" checked' in page.text
    chosen = {**query, "athlete_id": "42", "scope": ["read"], "decision": "authorize"}
    back = requests.post(f"{url}/oauth/authorize", data=chosen, allow_redirects=False, timeout=10)
    location = back.headers["location"]
    assert location.startswith("http://127.0.0.1:1/back?state=s&code=")
    assert location.endswith("&scope=read")
    code = location.partition("code=")[2].partition("&")[0]
    form = {"client_id": simulation.client_id, "client_secret": simulation.client_secret, "code": code}
    form["grant_type"] = "authorization_code"
    answers = [requests.post(f"{url}/oauth/token", data=form, timeout=10) for _ in range(2)]
    assert answers[0].json()["athlete"]["id"] == 42
    assert answers[1].status_code == 400
    refused = requests.post(
        f"{url}/oauth/authorize", data={**query, "decision": "cancel"}, allow_redirects=False, timeout=10
    )
    assert refused.headers["location"] == "http://127.0.0.1:1/back?state=s&error=access_denied"
    assert requests.get(
        f"{url}/oauth/authorize", params={**query, "redirect_uri": "https://evil.example"}, timeout=10
    ).status_code == 400  # fmt: skip


def test_limits_are_counted_in_fixed_quarters_and_told_in_every_answer(simulation: Simulation, url: str):
    simulation.advance(900 - simulation.clock.time() % 900)
    token = simulation.grant()
    for _ in range(100):
        answer = get(url, token, "/athlete")
    assert answer.status_code == 200
    assert answer.headers["X-ReadRateLimit-Limit"] == "100,1000"
    assert answer.headers["x-readratelimit-usage"].startswith("100,")
    assert get(url, token, "/athlete").status_code == 429
    simulation.advance(900)
    assert get(url, token, "/athlete").status_code == 200


def test_faults_strike_as_often_as_they_were_asked_for(simulation: Simulation, url: str):
    token = simulation.grant()
    for hours in range(3):
        upload(simulation, hours)
    simulation.faults.add("status", status=503)
    assert get(url, token).status_code == 503
    simulation.faults.add("html")
    assert "text/html" in get(url, token).headers["content-type"]
    simulation.faults.add("inactive")
    assert get(url, token).json()["errors"][0]["field"] == "Status"
    simulation.faults.add("short_page", drop=2)
    assert len(get(url, token).json()) == 1
    simulation.faults.add("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(url, token)
    simulation.faults.add("reset")
    with pytest.raises(requests.exceptions.ConnectionError):
        get(url, token)
    assert len(get(url, token).json()) == 3


def test_the_exact_text_of_an_activity_is_served(simulation: Simulation, url: str):
    text = '{"id": 7, "start_date":"2026-01-01T00:00:00Z", "distance": 50.0, "upload_id": 987654321234567891234}'
    simulation.add_activity(42, text=text)
    assert get(url, simulation.grant()).text == f"[{text}]"


def test_other_processes_can_change_everything_over_http(simulation: Simulation, url: str):
    added = requests.post(f"{url}/_simulator/activities", json={"athlete_id": 42, "name": "Ride"}, timeout=10).json()
    requests.patch(f"{url}/_simulator/activities/{added['id']}", json={"name": "Run"}, timeout=10)
    assert [each["name"] for each in simulation.activities(42)] == ["Run"]
    token = requests.post(f"{url}/_simulator/grant", timeout=10).json()
    assert len(get(url, token).json()) == 1
    requests.delete(f"{url}/_simulator/activities/{added['id']}", timeout=10)
    assert simulation.activities(42) == []
    assert requests.get(f"{url}/_simulator/requests", timeout=10).json()[-1]["status"] == 200


def test_revoking_ends_all_tokens_of_the_athlete(simulation: Simulation, url: str):
    token = simulation.grant()
    answer = requests.post(
        f"{url}/oauth/revoke",
        data={"token": token["refresh_token"]},
        auth=(simulation.client_id, simulation.client_secret),
        timeout=10,
    )
    assert answer.status_code == 200
    assert get(url, token, "/athlete").status_code == 401
    assert renew(simulation, url, token["refresh_token"]).status_code == 400


def test_json_is_what_is_served(simulation: Simulation, url: str):
    simulation.add_athlete(43, years=1)
    served = get(url, simulation.grant(43), per_page=200).json()
    assert served == json.loads(json.dumps(simulation.activities(43)[::-1][:200]))
