"""The client against the simulated Strava, with the faults that occur: what is listed equals the truth."""

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
import requests

from strava_assets.errors import AccessRevoked, ApplicationInactive, LoginLost, ScopeMissing
from strava_assets.services import open_client
from strava_assets.settings import Settings
from strava_assets.simulator.faults import Kind
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import Clock
from strava_assets.strava.login import Login, complete
from strava_assets.strava.logout import log_out
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import TokenStore


@pytest.fixture
def settings(simulation: Simulation, strava_url: str, redis_url: str) -> Settings:
    simulation.add_athlete(42, years=2)
    token = simulation.grant(42)
    redis.Redis.from_url(redis_url).set("STRAVA_TOKEN", json.dumps(token))
    return Settings.from_environment(
        {
            "STRAVA_CLIENT_ID": simulation.client_id,
            "STRAVA_CLIENT_SECRET": simulation.client_secret,
            "STRAVA_BASE_URL": strava_url,
            "REDIS_URL": redis_url,
        }
    )


@pytest.fixture
def clock(simulation: Simulation) -> Clock:
    return Clock(simulation.now, simulation.advance)


@pytest.fixture
def client(settings: Settings, clock: Clock) -> Iterator[StravaClient]:
    with open_client(settings, clock=clock) as client:
        yield client


def texts(client: StravaClient) -> dict[int | None, str]:
    (athlete,) = client.athletes()
    return {
        listed.activity.id: listed.activity.text
        for page in client.activities(athlete, None)
        for listed in page.activities
    }


def truth(simulation: Simulation) -> dict[int | None, str]:
    return {activity.id: activity.text for activity in simulation.accounts[42].activities.values()}


def test_everything_is_listed_in_stravas_own_spelling(simulation: Simulation, client: StravaClient) -> None:
    assert texts(client) == truth(simulation)
    assert len(truth(simulation)) > 400


@pytest.mark.parametrize("kind", ["status", "reset", "truncated", "html", "body"])
def test_a_passing_fault_changes_nothing(simulation: Simulation, client: StravaClient, kind: Kind) -> None:
    simulation.faults.add(kind, count=3, after=1)
    assert texts(client) == truth(simulation)


def test_short_pages_hide_nothing(simulation: Simulation, client: StravaClient) -> None:
    simulation.faults.add("short_page", count=None, probability=0.5, drop=60)
    assert texts(client) == truth(simulation)


def test_a_page_that_changes_under_the_pager_hides_nothing_that_stays(
    simulation: Simulation, client: StravaClient
) -> None:
    to_delete = iter([activity["id"] for activity in simulation.activities(42)][:400:40])

    def delete(path: str) -> None:
        if path.endswith("/activities") and (activity_id := next(to_delete, None)):
            simulation.delete(activity_id)

    simulation.on_request = delete
    listed = texts(client)
    assert truth(simulation).items() <= listed.items()


def test_a_token_lives_on_over_days(simulation: Simulation, client: StravaClient) -> None:
    for _ in range(9):
        simulation.advance(timedelta(hours=5, minutes=37).total_seconds())
        assert client.athletes()[0].id == client.profile(client.athletes()[0])["id"] == 42


def test_a_revoked_access_is_reported_to_be_revoked(simulation: Simulation, client: StravaClient) -> None:
    simulation.revoke(42)
    with pytest.raises(LoginLost):
        texts(client)
    simulation.advance(180)
    with pytest.raises(AccessRevoked):
        texts(client)


def test_a_lapsed_subscription_is_reported_to_be_one(simulation: Simulation, client: StravaClient) -> None:
    simulation.faults.add("inactive")
    with pytest.raises(ApplicationInactive):
        texts(client)


def test_the_token_from_the_settings_page_is_recognised(
    simulation: Simulation, client: StravaClient, redis_url: str
) -> None:
    token = simulation.grant(42, scopes=["read"])
    del token["scope"]
    redis.Redis.from_url(redis_url).set("STRAVA_TOKEN", json.dumps(token))
    with pytest.raises(ScopeMissing, match="lacks activity:read_all"):
        texts(client)


def test_an_athlete_logs_in_beside_the_first_and_out_again(
    simulation: Simulation, client: StravaClient, settings: Settings, clock: Clock
) -> None:
    simulation.add_athlete(43, name="Bo")
    oauth, tokens = OAuth(settings, clock), TokenStore(connect(settings.redis_url))
    login = Login.begin(oauth, "http://127.0.0.1:65432/strava")
    assert requests.get(login.url, timeout=10).ok
    authorize_query = {name: values[0] for name, values in parse_qs(urlsplit(login.url).query).items()}
    form = {**authorize_query, "athlete_id": "43", "scope": ["read", "activity:read_all"], "decision": "authorize"}
    landing = requests.post(login.url, data=form, allow_redirects=False, timeout=10).headers["Location"]
    athlete = complete(login.grant(landing), oauth, tokens, client)
    assert [athlete.id for athlete in client.athletes()] == [42, 43]
    log_out(athlete.token_key, oauth, tokens, even_if_strava_does_not_know=False)
    assert [athlete.id for athlete in client.athletes()] == [42]
    assert {grant.athlete_id for grant in simulation.access_tokens.values()} == {42}
