"""The life of a login: page, code, tokens, revocation."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import ask_for_token, complaint, get, renew

BACK = "http://127.0.0.1:1/back"


@pytest.fixture
def authorize_query(simulation: Simulation) -> dict[str, str]:
    return {
        "client_id": simulation.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "read,activity:read_all",
        "state": "s&<",
    }


def decide(url: str, fields: dict[str, Any]) -> dict[str, str]:
    """The query of the redirect that follows."""
    answer = requests.post(f"{url}/oauth/authorize", data=fields, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    landing = answer.headers["location"]
    assert landing.startswith(f"{BACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(landing).query).items()}


def test_the_page_offers_athletes_and_scopes_to_untick(
    simulation: Simulation, url: str, authorize_query: dict[str, str]
):
    simulation.add_athlete(43, name="Bo <b>")
    page = requests.get(f"{url}/oauth/authorize", params=authorize_query, timeout=10).text
    assert '<input type="checkbox" name="scope" value="activity:read_all" checked>' in page
    assert '<option value="43">Bo &lt;b&gt;</option>' in page
    assert 'name="state" value="s&amp;&lt;"' in page


def test_a_login_gives_what_was_granted_and_its_code_works_once(
    simulation: Simulation, url: str, authorize_query: dict[str, str]
):
    query = decide(url, {**authorize_query, "athlete_id": "42", "scope": ["read"], "decision": "authorize"})
    assert query["state"] == authorize_query["state"]
    assert query["scope"] == "read"
    first, second = (
        ask_for_token(simulation, url, grant_type="authorization_code", code=query["code"]) for _ in range(2)
    )
    assert first.json()["athlete"]["id"] == 42
    assert first.json()["scope"] == "read"
    assert complaint(second) == (400, "AuthorizationCode/code/invalid")


def test_several_scopes_are_named_with_spaces_in_the_token_and_commas_in_the_redirect(
    simulation: Simulation, url: str, authorize_query: dict[str, str]
):
    scopes = ["activity:read_all", "read"]
    query = decide(url, {**authorize_query, "athlete_id": "42", "scope": scopes, "decision": "authorize"})
    assert query["scope"] == "activity:read_all,read"
    token = ask_for_token(simulation, url, grant_type="authorization_code", code=query["code"]).json()
    assert token["scope"] == "activity:read_all read"
    assert renew(simulation, url, token).json()["scope"] == "activity:read_all read"


def test_a_code_is_short_lived(simulation: Simulation, url: str, authorize_query: dict[str, str]):
    query = decide(url, {**authorize_query, "athlete_id": "42", "scope": ["read"], "decision": "authorize"})
    simulation.advance(3600)
    answer = ask_for_token(simulation, url, grant_type="authorization_code", code=query["code"])
    assert complaint(answer) == (400, "AuthorizationCode//expired")


def test_cancelling_is_access_denied(url: str, authorize_query: dict[str, str]):
    assert decide(url, {**authorize_query, "decision": "cancel"}) == {"state": "s&<", "error": "access_denied"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"redirect_uri": "https://evil.example/"}, "Application/redirect_uri/invalid"),
        ({"redirect_uri": "http://127.0.0.1.evil.example/"}, "Application/redirect_uri/invalid"),
        ({"client_id": "2"}, "Application/client_id/invalid"),
        ({"scope": "everything"}, "Authorize/scope/invalid"),
        ({"response_type": "token"}, "Application/response_type/invalid"),
    ],
)
def test_a_wrong_authorize_url_is_refused(
    url: str, authorize_query: dict[str, str], changed: dict[str, str], message: str
):
    assert complaint(requests.get(f"{url}/oauth/authorize", params={**authorize_query, **changed}, timeout=10)) == (
        400,
        message,
    )


def test_a_refresh_token_works_once(simulation: Simulation, url: str):
    token = simulation.grant()
    renewed = renew(simulation, url, token).json()
    assert renewed["refresh_token"] != token["refresh_token"]
    assert complaint(renew(simulation, url, token)) == (400, "RefreshToken/refresh_token/invalid")
    assert renew(simulation, url, renewed).ok


def test_the_access_token_changes_only_in_its_last_hour_and_the_older_one_lives_on(simulation: Simulation, url: str):
    token = simulation.grant()
    early = renew(simulation, url, token).json()
    assert early["access_token"] == token["access_token"]
    assert early["expires_at"] == token["expires_at"]
    simulation.advance(5.5 * 3600)
    late = renew(simulation, url, early).json()
    assert late["access_token"] != token["access_token"]
    assert late["expires_in"] > 5.9 * 3600
    assert get(url, token, "/athlete").ok
    simulation.advance(3600)
    assert complaint(get(url, token, "/athlete")) == (401, "Athlete/access_token/invalid")
    assert get(url, late, "/athlete").ok


def test_a_wrong_application_gets_no_token_and_spends_none(simulation: Simulation, url: str):
    token = simulation.grant()
    assert complaint(renew(simulation, url, token, client_secret="wrong")) == (401, "Application//invalid")
    assert complaint(renew(simulation, url, token, client_id="2")) == (400, "Application/client_id/invalid")
    assert renew(simulation, url, token).ok


def test_a_token_is_requested_by_form_only(simulation: Simulation, url: str):
    body = {
        "client_id": simulation.client_id,
        "client_secret": simulation.client_secret,
        "grant_type": "refresh_token",
        "refresh_token": simulation.grant()["refresh_token"],
    }
    assert requests.post(f"{url}/oauth/token", json=body, timeout=10).status_code == 400


def test_answers_of_oauth_have_no_limit_headers_and_no_count(simulation: Simulation, url: str):
    answer = renew(simulation, url, simulation.grant())
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]
    assert simulation.limits.used == {}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_one_token_ends_them_all(simulation: Simulation, url: str, kind: str):
    token = simulation.grant()
    application = (simulation.client_id, simulation.client_secret)

    def revoke(auth: tuple[str, str] | None) -> int:
        return requests.post(f"{url}/oauth/revoke", data={"token": token[kind]}, auth=auth, timeout=10).status_code

    assert revoke(None) == revoke(("1", "wrong")) == 401
    assert get(url, token, "/athlete").ok
    assert revoke(application) == 200
    assert get(url, token, "/athlete").status_code == 401
    assert renew(simulation, url, token).status_code == 400
    assert revoke(application) == 200  # gone already


def test_deauthorize_ends_access_too(simulation: Simulation, url: str):
    form = {"access_token": simulation.grant()["access_token"]}
    statuses = [requests.post(f"{url}/oauth/deauthorize", data=form, timeout=10).status_code for _ in range(2)]
    assert statuses == [200, 401]
