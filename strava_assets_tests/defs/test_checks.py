"""Each asset check fails where it should: one that nobody has seen failing may be unable to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from sqlalchemy import create_engine, text

from strava_assets.defs.build import build_definitions
from strava_assets.defs.checks import TOKEN_IS_STALE, all_athletes_fetched
from strava_assets.errors import LoginLost
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.fetch import Fetched
from strava_assets.views.catalog import views
from strava_assets_tests.athletes import at
from strava_assets_tests.dagster_runs import checks, run

HOUR_AGO = floor_to_hour(datetime.now(UTC)) - HOUR
TESTS = Path(__file__).parent.parent

SEEN_FAILING = {
    "all_athletes_fetched": "defs/test_assets.py::test_one_athletes_error_does_not_stop_the_others",
    "archived_activities_on_strava": "defs/test_archive.py::"
    "test_beside_the_api_each_activity_is_there_once_and_what_only_the_export_has_is_named",
    "day_has_no_gap": "defs/test_checks.py::test_views_that_do_not_agree_are_named",
    "days_sum_up_to_activities": "defs/test_checks.py::test_views_that_do_not_agree_are_named",
    "fitness_is_never_negative": "defs/test_checks.py::test_views_that_do_not_agree_are_named",
    "no_archive_rejects": "defs/test_archive.py::test_rejects_and_what_is_no_export_are_reported",
    "no_deletions_wait": "sync/test_athletes.py::"
    "test_a_mass_deletion_waits_with_an_exit_code_and_a_check_until_it_is_confirmed",
    "no_rejects": "defs/test_assets.py::test_an_invalid_activity_is_rejected_told_and_healed",
    "plausible_values": "defs/test_checks.py::test_values_that_cannot_be_are_named",
    "rows_match_objects": "defs/test_checks.py::test_rows_without_an_object_are_named_with_their_hour",
}
"""The test that sees each check fail, and pass once it is mended."""


def test_every_check_was_seen_failing():
    graph = build_definitions(Settings.from_environment({})).get_repository_def().asset_graph
    assert {key.name for key in graph.asset_check_keys} == SEEN_FAILING.keys()
    for check, test in SEEN_FAILING.items():
        file, _, name = test.partition("::")
        _, found, body = (TESTS / file).read_text().partition(f"def {name}(")
        assert found, test
        assert f'"{check}"' in body.partition("\ndef ")[0], test


def test_a_token_that_nothing_renews_is_named_after_a_day_unless_its_athlete_is_named_anyhow():
    now, margin = datetime.now(UTC), timedelta(minutes=5)
    moments = {
        7: None,
        8: now - TOKEN_IS_STALE + margin,
        9: now - TOKEN_IS_STALE - margin,
        10: now - 9 * TOKEN_IS_STALE,
    }
    athletes = [Athlete(each, None, f"STRAVA_TOKEN:{each}", moment, None) for each, moment in moments.items()]
    fetched = Fetched(athletes=athletes, errors={10: LoginLost("Athlete 10 has to log in again.", 10)})
    assert all_athletes_fetched(fetched, {}).description == (
        "Athlete 10 has to log in again. "
        f"The token of athlete 9 expired on {moments[9]:%Y-%m-%d %H:%M} UTC and was not refreshed."
    )


@pytest.fixture
def strava(strava: Simulation) -> Simulation:
    """With an activity in the last hour."""
    strava.add_activity(42, start_date=at(HOUR_AGO))
    return strava


@pytest.mark.parametrize(
    ("odd", "plausible"),
    [
        ({"moving_time": 321, "elapsed_time": 320}, {"moving_time": 320, "elapsed_time": 320}),
        ({"moving_time": -1}, {"moving_time": 0}),
        ({"distance": -0.1}, {"distance": 0}),
        ({"average_speed": -1}, {"average_speed": 0}),
    ],
)
def test_values_that_cannot_be_are_named(strava: Simulation, odd: dict[str, Any], plausible: dict[str, Any]):
    (activity,) = strava.accounts[42].activities
    strava.edit(activity, **odd)
    passed, sentence = checks(run(HOUR_AGO))["plausible_values"]
    assert not passed
    assert f"({activity})" in (sentence or "")
    strava.edit(activity, **plausible)
    assert checks(run(HOUR_AGO))["plausible_values"] == (True, "All values are plausible.")


@pytest.mark.usefixtures("strava")
def test_rows_without_an_object_are_named_with_their_hour(environment: dict[str, str]):
    window = Window.of(HOUR_AGO - HOUR, HOUR_AGO)
    assert checks(run(window))["rows_match_objects"][0]
    s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"])
    s3.delete_object(Bucket=environment["S3_BUCKET"], Key=f"stravaact/42/{HOUR_AGO:%Y%m%dT%H}0000.json")
    passed, sentence = checks(run(window, select="strava_activity"))["rows_match_objects"]
    assert not passed
    assert f"athlete 42 {HOUR_AGO:%Y-%m-%d %H:%M}" in (sentence or "")
    assert checks(run(window))["rows_match_objects"] == (True, "Rows and raw objects of these hours agree.")


@pytest.mark.usefixtures("strava")
def test_views_that_do_not_agree_are_named(environment: dict[str, str]):
    """The views are replaced by ones that lose a day, count doubly, and go below zero."""
    assert run(HOUR_AGO).success
    columns = [each.name for each in next(view for view in views() if view.name == "day").columns]
    broken = {"fitness": "-1 AS fitness", "activities": "activities * 2 AS activities", "day": "day - 1 AS day"}
    engine = create_engine(environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("ALTER VIEW strava_analytics.day RENAME TO whole_day"))
        selected = ", ".join(broken.get(each, each) for each in columns)
        rows = f"SELECT {selected} FROM strava_analytics.whole_day UNION ALL SELECT * FROM strava_analytics.whole_day"
        connection.execute(text(f"CREATE VIEW strava_analytics.day AS {rows}"))
    names = ["day_has_no_gap", "days_sum_up_to_activities", "fitness_is_never_negative"]
    found = reports()
    assert [found[name][0] for name in names] == [False, False, False], found
    assert all("42" in (found[name][1] or "") for name in names), found
    with engine.begin() as connection:
        connection.execute(text("DROP VIEW strava_analytics.day"))
        connection.execute(text("ALTER VIEW strava_analytics.whole_day RENAME TO day"))
    engine.dispose()
    mended = reports()
    assert [mended[name][0] for name in names] == [True, True, True], mended


def reports() -> dict[str, tuple[bool, str | None]]:
    """The checks of a run of the job that makes reports."""
    job = build_definitions(Settings.from_environment()).resolve_job_def("make_reports")
    with dg.DagsterInstance.ephemeral() as instance:
        return checks(job.execute_in_process(instance=instance, raise_on_error=False))
