"""When access counts as withdrawn: the table of docs/design.md, as a function and over HTTP."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from strava_assets.errors import AccessRefused, AccessRevoked, AthleteError, LoginLost, StravaUnavailable
from strava_assets.services import open_client
from strava_assets.settings import Settings
from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation
from strava_assets.state.access_evidence import Evidence, EvidenceStore
from strava_assets.state.connection import connect
from strava_assets.state.revocations import Revocations
from strava_assets.strava.clock import Clock
from strava_assets.strava.tokens import Token, TokenStore
from strava_assets.strava.withdrawal import PAUSES, Verdict, doubts, is_due, judge

KEY = "STRAVA_TOKEN"
T0 = datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
SOON, MINUTES_LATER = T0 + timedelta(minutes=2), T0 + timedelta(minutes=3)
WITHDRAWN, UNKNOWN, LIVES = Verdict.WITHDRAWN, Verdict.UNKNOWN, Verdict.LIVES
LOST = Evidence(refused=T0, refused_again=T0 + timedelta(days=1), renewal_may_be_lost=True)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        # The API refuses a living token, the OAuth server refuses twice: with an event or without.
        (Evidence(api_refused=T0, refused=T0, refused_again=MINUTES_LATER), WITHDRAWN),
        (Evidence(api_refused=T0, refused=T0, refused_again=MINUTES_LATER, event=T0), WITHDRAWN),
        (Evidence(api_refused=T0, refused=T0, refused_again=MINUTES_LATER, access_ended=True), WITHDRAWN),
        (Evidence(api_refused=T0, refused=T0, refused_again=SOON), UNKNOWN),
        (Evidence(api_refused=T0, refused=T0, refused_again=T0, event=T0), UNKNOWN),
        # The same, where a renewal may have been lost: then the API must have refused since, at two looks.
        (replace(LOST, api_refused=T0, api_refused_again=MINUTES_LATER), WITHDRAWN),
        (replace(LOST, api_refused=T0, api_refused_again=MINUTES_LATER, access_ended=True, event=T0), WITHDRAWN),
        (replace(LOST, api_refused=T0 + timedelta(seconds=1), api_refused_again=T0 + timedelta(seconds=1)), UNKNOWN),
        (replace(LOST, api_refused=T0 - timedelta(1), api_refused_again=T0 + timedelta(seconds=1)), UNKNOWN),
        (replace(LOST, api_refused=MINUTES_LATER, api_refused_again=MINUTES_LATER, event=T0), UNKNOWN),
        (replace(LOST, api_refused=T0), UNKNOWN),
        (
            Evidence(
                api_refused=T0 - timedelta(1),
                api_refused_again=T0 - timedelta(1),
                refused=T0,
                refused_again=MINUTES_LATER,
                renewal_may_be_lost=True,
                event=T0,
            ),
            UNKNOWN,
        ),
        # The access token is past its date: an event is needed, and no renewal that may be lost.
        (Evidence(refused=T0, refused_again=MINUTES_LATER, access_ended=True, event=T0), WITHDRAWN),
        (Evidence(refused=T0, refused_again=SOON, access_ended=True, event=T0), UNKNOWN),
        (
            Evidence(refused=T0, refused_again=MINUTES_LATER, access_ended=True, event=T0, renewal_may_be_lost=True),
            UNKNOWN,
        ),
        (Evidence(refused=T0, refused_again=T0 + timedelta(365), access_ended=True), UNKNOWN),
        # The access token lives and the API takes it: a login was lost, whatever an event says.
        (Evidence(refused=T0, refused_again=T0 + timedelta(365), event=T0), UNKNOWN),
        # Nothing was refused by the OAuth server.
        (Evidence(), LIVES),
        (Evidence(access_ended=True), LIVES),
        (Evidence(event=T0), UNKNOWN),
        (Evidence(api_refused=T0, event=T0), UNKNOWN),
        (Evidence(renewal_may_be_lost=True), UNKNOWN),
    ],
)
def test_the_verdict_on_each_row_of_the_table(evidence: Evidence, verdict: Verdict) -> None:
    assert judge(evidence) is verdict


def test_an_unclear_refusal_is_checked_again_at_growing_intervals_for_good() -> None:
    assert is_due(Evidence(), T0)
    for checks, pause in enumerate([*PAUSES, PAUSES[-1], PAUSES[-1]], start=1):
        seen = Evidence(checks=checks, last_check=T0)
        assert not is_due(seen, T0 + pause - timedelta(seconds=1))
        assert is_due(seen, T0 + pause)
    assert sorted(PAUSES) == list(PAUSES)


class Grant:
    """One athlete's login at the simulated Strava, whose clock is everybody's."""

    def __init__(self, strava: Simulation, url: str, redis_url: str) -> None:
        self.strava = strava
        self.redis = connect(redis_url)
        self.evidence = EvidenceStore(self.redis)
        self.settings = Settings.from_environment(
            {
                "STRAVA_CLIENT_ID": strava.client_id,
                "STRAVA_CLIENT_SECRET": strava.client_secret,
                "STRAVA_BASE_URL": url,
                "REDIS_URL": redis_url,
            }
        )
        if 42 not in strava.accounts:
            strava.add_athlete(42)
        self.log_in()

    def log_in(self) -> None:
        TokenStore(self.redis).delete(KEY)
        self.redis.set(KEY, json.dumps(self.strava.grant(42)))

    def token(self) -> Token:
        token = TokenStore(self.redis).load(KEY)
        assert token
        return token

    def look(self) -> AthleteError | StravaUnavailable | None:
        """One look by a process of its own, as every tick and run is one."""
        with open_client(self.settings, clock=Clock(self.strava.now, self.strava.advance)) as client:
            try:
                client.profile(client.athletes()[0])
            except (AthleteError, StravaUnavailable) as error:
                return error
        return None

    def post_event(self) -> None:
        """What the sensor does with a revocation, true or forged."""
        self.evidence.record_event(KEY, self.strava.now())

    def wait(self, **duration: float) -> None:
        self.strava.advance(timedelta(**duration).total_seconds())

    def is_withdrawn(self) -> bool:
        return 42 in Revocations(self.redis).athletes()

    def lose_a_renewal(self) -> None:
        """The answer of a renewal never arrives; the refresh token is void."""
        self.evidence.begin_renewal(KEY, self.token().refresh_token)
        self.strava.refresh(self.token().refresh_token)

    def requests(self) -> int:
        return len(self.strava.requests)


@pytest.fixture
def grant(simulation: Simulation, strava_url: str, redis_url: str) -> Grant:
    return Grant(simulation, strava_url, redis_url)


@pytest.mark.parametrize("has_event", [True, False])
def test_a_withdrawal_that_the_api_shows_is_proven_minutes_later_with_or_without_an_event(
    grant: Grant, *, has_event: bool
) -> None:
    grant.strava.revoke(42)
    if has_event:
        grant.post_event()
    assert isinstance(grant.look(), LoginLost)
    assert not grant.is_withdrawn()
    grant.wait(minutes=2)
    made = grant.requests()
    assert isinstance(grant.look(), LoginLost)
    assert grant.requests() == made  # remembered
    grant.wait(minutes=1)
    error = grant.look()
    assert isinstance(error, AccessRevoked)
    assert "strava-assets purge --athlete 42" in str(error)
    assert grant.is_withdrawn()


def test_an_event_that_comes_while_the_api_still_takes_the_token_is_not_used_up(grant: Grant) -> None:
    grant.post_event()
    assert grant.look() is None
    grant.strava.revoke(42)
    grant.wait(hours=7)  # nobody looked while the token lived
    assert isinstance(grant.look(), LoginLost)
    grant.wait(minutes=3)
    assert isinstance(grant.look(), AccessRevoked)
    assert grant.is_withdrawn()


@pytest.mark.slow
def test_without_an_event_a_token_past_its_date_that_is_refused_stays_unknown_for_ever_and_both_ways_out_are_named(
    grant: Grant,
) -> None:
    grant.wait(hours=7)
    since = grant.strava.now()
    grant.strava.revoke(42)
    made = grant.requests()
    for _ in range(60 * 24):
        error = grant.look()
        assert isinstance(error, LoginLost)
        grant.wait(hours=1)
    assert str(error) == (
        f"Strava has refused the refresh token of athlete 42 since {since:%Y-%m-%d %H:%M} UTC: access was withdrawn, "
        "or a login was lost. Log in again: strava-assets login; or delete the data: strava-assets purge --athlete 42"
    )
    assert not grant.is_withdrawn()
    assert grant.requests() - made < 60 + 6  # once a day in the end


def test_a_lost_renewal_is_no_withdrawal_even_with_an_event_and_is_reported_while_the_access_token_lives(
    grant: Grant,
) -> None:
    grant.lose_a_renewal()
    grant.post_event()
    assert grant.look() is None  # the access token has hours left
    told = doubts(TokenStore(grant.redis), grant.strava.now())
    assert "a process died, or the network failed, while it was renewed" in str(told[KEY])
    for _ in range(24 * 30):
        grant.wait(hours=1)
        grant.look()
    assert isinstance(grant.look(), LoginLost)
    assert not grant.is_withdrawn()


def test_stray_401s_of_one_moment_after_a_lost_renewal_are_no_withdrawal(grant: Grant) -> None:
    grant.strava.faults.add("status", path="/athlete", status=401, count=2)
    grant.lose_a_renewal()
    assert isinstance(grant.look(), LoginLost)
    for _ in range(24 * 3):
        grant.wait(hours=1)
        grant.look()
    assert isinstance(grant.look(), LoginLost)
    assert not grant.is_withdrawn()


def test_a_withdrawal_after_a_lost_renewal_is_proven_by_the_api_at_two_looks(grant: Grant) -> None:
    grant.lose_a_renewal()
    grant.strava.revoke(42)
    assert isinstance(grant.look(), LoginLost)
    assert not grant.is_withdrawn()
    grant.wait(minutes=3)
    assert isinstance(grant.look(), AccessRevoked)
    assert grant.is_withdrawn()


def test_a_refresh_token_that_is_void_while_the_api_takes_the_access_token_is_a_lost_login(grant: Grant) -> None:
    """As after a Redis that was brought back from yesterday, which nothing notes."""
    grant.strava.refresh(grant.token().refresh_token)
    grant.strava.faults.add("status", path="/athlete", status=401, count=2)
    assert isinstance(grant.look(), LoginLost)
    grant.wait(minutes=3)
    assert grant.look() is None
    grant.post_event()
    for _ in range(24):
        grant.wait(hours=1)
        grant.look()
    assert isinstance(grant.look(), LoginLost)
    assert not grant.is_withdrawn()


def test_a_renewal_that_succeeds_disproves_everything(grant: Grant) -> None:
    grant.post_event()
    grant.strava.faults.add("status", path="/athlete", status=401, count=2)
    assert grant.look() is None
    assert grant.requests() == 4  # refused twice, renewed, accepted
    assert judge(seen(grant)) is LIVES
    grant.strava.faults.add("status", path="/athlete", status=401, count=None)
    for _ in range(5):
        assert isinstance(grant.look(), AccessRefused)
        grant.wait(minutes=20)
    assert not grant.is_withdrawn()


def test_a_single_stray_401_costs_no_renewal(grant: Grant) -> None:
    before = grant.token()
    grant.strava.faults.add("status", path="/athlete", status=401, count=1)
    assert grant.look() is None
    assert grant.token() == before
    assert judge(seen(grant)) is LIVES


def test_a_503_and_a_connection_that_is_never_made_are_no_evidence_of_a_lost_renewal(grant: Grant) -> None:
    grant.wait(hours=7)
    grant.strava.faults.add("status", path="/oauth/token", status=503, count=None)
    assert isinstance(grant.look(), StravaUnavailable)
    assert judge(seen(grant)) is LIVES
    working, grant.settings = grant.settings, replaced(grant.settings, "http://127.0.0.1:1")
    assert isinstance(grant.look(), StravaUnavailable)
    assert judge(seen(grant)) is LIVES
    grant.settings = working
    grant.strava.faults.clear()
    grant.strava.revoke(42)
    grant.post_event()
    grant.look()
    grant.wait(minutes=3)
    grant.look()
    assert grant.is_withdrawn()


def test_a_login_disproves_a_doubt(grant: Grant) -> None:
    grant.strava.revoke(42)
    assert isinstance(grant.look(), LoginLost)
    grant.log_in()
    assert grant.look() is None
    assert judge(seen(grant)) is LIVES


def test_what_is_recorded_holds_no_token(grant: Grant) -> None:
    grant.strava.revoke(42)
    grant.look()
    grant.lose_a_renewal()
    stored = json.dumps({str(key): str(value) for key, value in grant.redis.hgetall(f"strava:evidence:{KEY}").items()})
    assert grant.token().access_token not in stored
    assert grant.token().refresh_token not in stored


STEPS = ["look", "look", "event", "stray 401", "503", "lose a renewal", "log in", "minutes", "hours", "a day"]


@pytest.fixture(scope="module")
def strava() -> Iterator[tuple[Simulation, str]]:
    simulation = Simulation()
    with serve(simulation) as url:
        yield simulation, url


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=30), leaves=st.booleans())
def test_a_living_grant_is_never_taken_for_withdrawn_and_a_dead_one_is_reported(
    redis_url: str, strava: tuple[Simulation, str], steps: list[str], *, leaves: bool
) -> None:
    simulation, url = strava
    simulation.faults.clear()
    Redis.from_url(redis_url).flushdb()
    grant = Grant(simulation, url, redis_url)
    refused = 0

    def look() -> None:
        nonlocal refused
        refused = 0 if grant.look() is None else refused

    def stray() -> None:
        """Fewer than two looks in a row get: a login that is lost and refused for minutes is taken for withdrawn."""
        nonlocal refused
        if refused < 3:
            grant.strava.faults.add("status", path="/athlete", status=401, count=1)
            refused += 1

    acts: dict[str, Callable[[], object]] = {
        "look": look,
        "event": grant.post_event,
        "stray 401": stray,
        "503": lambda: grant.strava.faults.add("status", path="/oauth/token", status=503, count=4),
        "lose a renewal": grant.lose_a_renewal,
        "log in": grant.log_in,
        "minutes": lambda: grant.wait(minutes=3),
        "hours": lambda: grant.wait(hours=3),
        "a day": lambda: grant.wait(days=1),
    }
    for step in steps:
        acts[step]()
        assert not grant.is_withdrawn()
    simulation.faults.clear()
    if leaves:
        simulation.revoke(42)
        found = []
        for _ in range(4):
            grant.wait(days=1, minutes=1)
            found.append(grant.look())
        assert all(isinstance(error, AccessRevoked | LoginLost) for error in found[1:])


def seen(grant: Grant) -> Evidence:
    token = grant.token()
    return grant.evidence.of(
        KEY, access_token=token.access_token, refresh_token=token.refresh_token, access_ended=False
    )


def replaced(given: Settings, base_url: str) -> Settings:
    return replace(given, base_url=base_url)
