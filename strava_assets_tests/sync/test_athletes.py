"""One athlete's error, and one bad hour, stop nothing else, and both are named."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import text

from strava_assets.cli.main import main
from strava_assets.errors import ServiceUnavailable, StravaUnavailable, UnreadableObject
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.raw.store import RawStore
from strava_assets.services import open_store
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets.sync.athletes import each_athlete
from strava_assets.sync.pieces import in_pieces
from strava_assets_tests.dagster_runs import checks, run
from strava_assets_tests.equality import expected_rows, rows

THIS_HOUR = floor_to_hour(datetime.now(UTC))
FIRST = THIS_HOUR - timedelta(days=20)
TEMPORARY = 75
ADA, BEN = 42, 43


@pytest.fixture
def strava(environment: dict[str, str], dagster_home: Any, simulation: Simulation) -> Simulation:
    """Two athletes with an activity a day each, logged in, everything imported."""
    assert dagster_home
    redis = Redis.from_url(environment["REDIS_URL"])
    for athlete_id, key in ((ADA, "STRAVA_TOKEN"), (BEN, f"STRAVA_TOKEN:{BEN}")):
        simulation.add_athlete(athlete_id)
        for day in range(18):
            simulation.add_activity(athlete_id, start_date=strava_time(FIRST + timedelta(days=day, minutes=athlete_id)))
        redis.set(key, json.dumps(simulation.grant(athlete_id)))
    assert strava_assets("init").exit_code == 0
    assert import_all().exit_code == 0
    assert len(rows(environment)) == 36
    return simulation


def strava_assets(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def import_all() -> Result:
    return strava_assets("import", "--from", f"{FIRST:%Y-%m-%d}")


def reconcile(*options: str) -> Result:
    return strava_assets("reconcile", "--from", f"{FIRST:%Y-%m-%d}", *options)


def break_listing_of(simulation: Simulation, athlete_id: int, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every listing of the athlete's is this instead."""
    listed = simulation.listed

    def broken(grant: Any, **options: Any) -> list[str]:
        return [answer] if grant.athlete_id == athlete_id else listed(grant, **options)

    monkeypatch.setattr(simulation, "listed", broken)


def test_an_athletes_error_is_noted_with_whose_it_is_and_the_others_go_on():
    def act(athlete_id: int) -> None:
        if athlete_id == ADA:
            raise StravaUnavailable("GET /athlete/activities failed once: HTTP 500.")

    errors = each_athlete([ADA, BEN], act)
    assert {whose: str(error) for whose, error in errors.items()} == {
        ADA: "Athlete 42: GET /athlete/activities failed once: HTTP 500."
    }
    with pytest.raises(StravaUnavailable, match=r"^Athlete 42: "):
        each_athlete([ADA], act)


def test_an_error_of_everybody_ends_the_loop_at_once():
    turns: list[int] = []

    def act(athlete_id: int) -> None:
        turns.append(athlete_id)
        raise ServiceUnavailable("Postgres does not answer.")

    with pytest.raises(ServiceUnavailable, match=r"^Postgres does not answer"):
        each_athlete([ADA, BEN], act)
    assert turns == [ADA]


def test_bad_hours_are_found_in_halves_and_all_others_are_done():
    hours = [FIRST + n * HOUR for n in range(100)]
    bad, done = {hours[17], hours[18], hours[70]}, set[datetime]()

    def act(piece: Any) -> None:
        if bad & set(piece):
            raise UnreadableObject("It is no JSON.", ADA)
        done.update(piece)

    assert set(in_pieces(hours, act, (UnreadableObject,))) == bad
    assert done == set(hours) - bad


@pytest.mark.parametrize(("apart", "is_about_hours"), [(1, False), (2, True)])
def test_two_failures_in_a_row_that_may_pass_end_it_and_with_a_good_hour_between_they_do_not(
    apart: int, is_about_hours: bool
):
    hours = [FIRST + n * HOUR for n in range(100)]
    bad = {hours[17], hours[17 + apart]}

    def act(piece: Any) -> None:
        if bad & set(piece):
            raise ServiceUnavailable("A value cannot be held.")

    with nullcontext() if is_about_hours else pytest.raises(ServiceUnavailable):
        assert set(in_pieces(hours, act, (ServiceUnavailable,))) == bad


@pytest.mark.parametrize("count", [1, 100])
def test_what_fails_everywhere_is_raised_after_few_tries(count: int):
    tries: list[int] = []

    def act(piece: Any) -> None:
        tries.append(len(piece))
        raise ServiceUnavailable("The disk is full.")

    with pytest.raises(ServiceUnavailable):
        in_pieces([FIRST + n * HOUR for n in range(count)], act, (ServiceUnavailable,))
    assert len(tries) < 15


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["null", '{"id": 1, "broken', "<html>"])
def test_one_athletes_broken_listing_keeps_nobody_else_from_runs_imports_and_comparisons(
    strava: Simulation, environment: dict[str, str], answer: str, monkeypatch: pytest.MonkeyPatch
):
    edited = [list(strava.accounts[athlete_id].activities)[-1] for athlete_id in (ADA, BEN)]
    break_listing_of(strava, ADA, answer, monkeypatch)
    for name, act in {"reconciled": reconcile, "imported": import_all}.items():
        for each in edited:
            strava.edit(each, name=name)
        done = act()
        assert done.exit_code == TEMPORARY, done.output
        assert "Athlete 42: GET /athlete/activities failed" in done.output
        assert {each: rows(environment)[each]["name"] for each in edited} == {edited[0]: "Run", edited[1]: name}
    hour = floor_to_hour(strava.accounts[BEN].activities[edited[1]].start or FIRST)
    strava.edit(edited[1], name="run")
    result = run(hour)
    passed, sentence = checks(result)["all_athletes_fetched"]
    assert result.success
    assert (passed, (sentence or "").startswith("Athlete 42: ")) == (False, True)
    assert rows(environment)[edited[1]]["name"] == "run"


@pytest.mark.slow
def test_an_object_that_somebody_broke_keeps_only_its_own_hour_from_the_table(
    strava: Simulation, environment: dict[str, str], bucket: str
):
    store = open_store(Settings.from_environment())
    hours = list(store.objects(ADA, Settings.from_environment().hours_since(FIRST, THIS_HOUR)))
    ada = list(strava.accounts[ADA].activities)
    with transaction(engine_for(Settings.from_environment().database_url)) as connection:
        connection.execute(text("DELETE FROM strava_activity"))
    put_object(environment, bucket, f"stravaact/{ADA}/{hours[5]:%Y%m%dT%H%M%S}.json", b"[{")
    window = Settings.from_environment().hours_since(FIRST, THIS_HOUR)
    result = run(window, select="strava_activity")
    assert result.success
    passed, sentence = checks(result)["rows_match_objects"]
    assert not passed
    assert f"Athlete {ADA}: {hours[5]:%Y-%m-%d-%H:%M} could not be loaded: s3://" in (sentence or "")
    assert set(rows(environment)) == set(expected_rows(strava)) - {ada[5]}
    assert reconcile().exit_code == 0
    assert rows(environment) == expected_rows(strava)


def put_object(environment: dict[str, str], bucket: str, key: str, body: bytes) -> None:
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    client.put_object(Bucket=bucket, Key=key, Body=body)


@pytest.mark.slow
def test_a_refresh_that_leaves_out_an_athlete_has_failed_and_says_so(strava: Simulation, environment: dict[str, str]):
    """The comparison goes well, and what comes then does not, for one of the two."""
    edited = [list(strava.accounts[athlete_id].activities)[3] for athlete_id in (ADA, BEN)]
    for each in edited:
        strava.edit(each, name="edited")
    strava.faults.add("status", status=500, path="/athlete/activities", after=2, count=None)
    done = reconcile()
    assert done.exit_code == TEMPORARY, done.output
    assert "not refreshed: " in done.output
    assert "refreshed 2" not in done.output.replace("not refreshed", "")
    strava.faults.clear()
    assert reconcile().exit_code == 0
    assert rows(environment) == expected_rows(strava)


@pytest.mark.slow
@pytest.mark.parametrize("it_refills_soon", [True, False])
def test_ranges_that_meet_the_rate_limit_wait_for_it_or_end_the_command(
    strava: Simulation, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, it_refills_soon: bool
):
    """The last requests of the quarter hour go to the comparison."""
    edited = [list(strava.accounts[ADA].activities)[day] for day in (1, 5, 9)]
    for each in edited:
        strava.edit(each, name="edited")
    redis = Redis.from_url(environment["REDIS_URL"])
    pauses = []

    def refill(seconds: float) -> None:
        """A quarter hour is longer than a test."""
        pauses.append(seconds)
        strava.faults.clear()
        redis.delete(*redis.keys("strava:budget:*"))

    monkeypatch.setattr("strava_assets.cli.refreshing.sleep", refill)
    monkeypatch.setattr(
        "strava_assets.cli.refreshing.UNTIL_IT_REFILLS", timedelta(minutes=16 if it_refills_soon else -1)
    )
    monkeypatch.setattr("strava_assets.defs.assets.SHORT_WAIT", timedelta(0))
    before = len(strava.requests)
    assert reconcile("--dry-run").exit_code == 0
    strava.faults.add("status", status=429, after=len(strava.requests) - before, count=None)
    done = reconcile()
    names = {rows(environment)[each]["name"] for each in edited}
    runs_that_failed = done.output.count(" waits: ")
    if it_refills_soon:
        assert (done.exit_code, names, len(pauses), runs_that_failed) == (0, {"edited"}, 1, 1), done.output
        assert 0 < pauses[0] <= 15 * 60
    else:
        assert (done.exit_code, names, len(pauses), runs_that_failed) == (TEMPORARY, {"Run"}, 0, 1), done.output
        assert "again after" in done.output


@pytest.mark.slow
def test_ranges_that_fail_keep_no_other_and_are_listed_at_the_end(
    strava: Simulation, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """An hour of both athletes fails at every try; the hours before and behind it are merged with it into one run."""
    ada = list(strava.accounts[ADA].activities)
    for each in ada[3:9]:
        strava.edit(each, name="edited")
    bad = floor_to_hour(strava.accounts[ADA].activities[ada[5]].start or FIRST)
    write = RawStore.write

    def refuse(self: RawStore, athlete_id: int, hours: Any, *rest: Any) -> Any:
        if hours.get(bad):
            raise ServiceUnavailable("S3 refuses this object.")
        return write(self, athlete_id, hours, *rest)

    monkeypatch.setattr(RawStore, "write", refuse)
    done = reconcile()
    assert done.exit_code == TEMPORARY, done.output
    assert f"error: Not refreshed: {bad:%Y-%m-%d-%H:%M}; the reasons are above." in done.output
    assert "S3 refuses this object." in done.output
    names = {each: rows(environment)[each]["name"] for each in ada[3:9]}
    assert names == {each: "Run" if each == ada[5] else "edited" for each in ada[3:9]}


@pytest.mark.slow
def test_an_activity_that_two_athletes_list_stays_with_the_first_until_that_one_is_purged(
    strava: Simulation, environment: dict[str, str]
):
    shared = list(strava.accounts[ADA].activities)[2]
    strava.accounts[BEN].put(shared, strava.accounts[ADA].activities[shared])
    assert reconcile().exit_code == 0
    for _ in range(3):
        assert "nothing differs" in reconcile().output
        assert rows(environment)[shared]["athlete_id"] == ADA
    with transaction(engine_for(Settings.from_environment().database_url)) as connection:
        (reject,) = connection.execute(text("SELECT * FROM strava_activity_reject")).all()
    assert (reject.athlete_id, reject.id) == (BEN, shared)
    assert reject.errors == ["id: it is an activity of athlete 42"]

    assert strava_assets("purge", "--athlete", str(ADA), "--yes").exit_code == 0
    assert reconcile().exit_code == 0
    assert rows(environment)[shared]["athlete_id"] == BEN
    assert {row["athlete_id"] for row in rows(environment).values()} == {BEN}
    assert len(rows(environment)) == 19


@pytest.mark.slow
def test_a_mass_deletion_waits_with_an_exit_code_and_a_check_until_it_is_confirmed(
    strava: Simulation, environment: dict[str, str]
):
    ids = {athlete_id: list(strava.accounts[athlete_id].activities) for athlete_id in (ADA, BEN)}
    for each in ids[ADA][:9]:
        strava.delete(each)
    strava.edit(ids[ADA][10], name="edited")
    strava.delete(ids[BEN][4])
    for act in (reconcile, import_all, reconcile):
        waits = act()
        assert waits.exit_code == 1, waits.output
        assert "no longer lists 9 of athlete 42's 18 activities; these deletions wait" in waits.output
        assert set(rows(environment)) == {*ids[ADA], *ids[BEN]} - {ids[BEN][4]}
        assert rows(environment)[ids[ADA][10]]["name"] == "edited"
    hour = floor_to_hour(strava.accounts[ADA].activities[ids[ADA][12]].start or FIRST)
    passed, sentence = checks(run(hour))["no_deletions_wait"]
    assert not passed
    assert (sentence or "").startswith("9 activities of athlete 42 wait to be deleted")

    confirmed = reconcile("--athlete", str(ADA), "--confirm-deletions")
    assert confirmed.exit_code == 0, confirmed.output
    assert rows(environment) == expected_rows(strava)
    assert checks(run(hour))["no_deletions_wait"] == (True, "No deletion waits for a confirmation.")
    assert "nothing differs" in reconcile().output


@pytest.mark.slow
def test_deletions_that_only_the_refresh_finds_to_be_many_wait_with_an_exit_code_too(
    strava: Simulation, environment: dict[str, str]
):
    """A run died between objects and table, then its activities were deleted: the mirror knew none of them."""
    day = Window.of(FIRST, FIRST + 23 * HOUR)
    new = [strava.add_activity(ADA, start_date=strava_time(FIRST + timedelta(minutes=90 + each))) for each in range(30)]
    assert run(day, select="raw_activities").success
    for each in new:
        strava.delete(each)
    waits = reconcile()
    assert waits.exit_code == 1, waits.output
    assert "30 activities of athlete 42 wait to be deleted" in waits.output
    confirmed = reconcile("--athlete", str(ADA), "--confirm-deletions")
    assert confirmed.exit_code == 0, confirmed.output
    assert rows(environment) == expected_rows(strava)
    assert "nothing differs" in reconcile().output


@pytest.mark.slow
def test_an_athlete_who_is_refused_in_a_refresh_makes_it_fail(strava: Simulation, environment: dict[str, str]):
    """The comparison still read everything; in the refresh, the API denies the token of one of the two."""
    edited = [list(strava.accounts[athlete_id].activities)[3] for athlete_id in (ADA, BEN)]
    for each in edited:
        strava.edit(each, name="edited")
    lists = 0

    def revoke_later(path: str) -> None:
        nonlocal lists
        lists += path.endswith("/athlete/activities")
        if lists == 5:  # two requests each for the comparison
            strava.tokens.revoke(ADA)

    strava.on_request = revoke_later
    done = reconcile()
    assert done.exit_code == TEMPORARY, done.output
    assert "not refreshed: " in done.output
    assert str(ADA) in done.output
    assert [rows(environment)[each]["name"] for each in edited] == ["Run", "edited"]


@pytest.mark.slow
def test_a_token_that_cannot_be_read_keeps_nobody_else_waiting_and_is_named(
    strava: Simulation, environment: dict[str, str]
):
    edited = list(strava.accounts[ADA].activities)[3]
    strava.edit(edited, name="edited")
    Redis.from_url(environment["REDIS_URL"]).set(f"STRAVA_TOKEN:{BEN}", "no JSON")
    done = reconcile()
    assert done.exit_code == TEMPORARY, done.output
    assert "not refreshed" in done.output
    assert f"STRAVA_TOKEN:{BEN}" in done.output
    assert rows(environment)[edited]["name"] == "edited"
