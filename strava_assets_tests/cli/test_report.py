"""`strava-assets report` and `strava-assets athlete`, on a real database."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import create_engine, text

from strava_assets.cli.main import main
from strava_assets.provisioning import migrate
from strava_assets.settings import Settings
from strava_assets.state.report_links import ReportLinks
from strava_assets_tests.views.golden import insert, row


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def one_athlete(environment: dict[str, str]) -> None:
    assert environment
    _insert(row(42, 1, "2026-11-01 10:00"))


def _insert(*rows: dict[str, object]) -> None:
    url = Settings.from_environment().database_url
    migrate(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        insert(connection, list(rows))
    engine.dispose()


def _ask(query: str) -> object:
    engine = create_engine(Settings.from_environment().database_url)
    with engine.connect() as connection:
        found = connection.execute(text(query)).all()
    engine.dispose()
    return [tuple(each) for each in found]


@pytest.mark.usefixtures("one_athlete")
def test_the_only_athletes_report_is_written_for_its_owner_alone():
    result = invoke("report")
    assert result.exit_code == 0, result.output
    file = Path("training_report_42.html")
    assert "The report of athlete 42 is in training_report_42.html" in result.output
    assert "6.2 mi" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert invoke("report", "--output", "no/such/folder.html").exit_code == 78
    assert invoke("report", "--athlete", "42", "--output", "other.html").exit_code == 0
    assert Path("other.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.usefixtures("one_athlete")
def test_the_report_is_shown_in_a_browser_where_there_is_one(tmp_path: Path):
    def shown(**browser: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name} | browser
        command = [sys.executable, "-m", "strava_assets", "report", "--open"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    seen = tmp_path / "seen"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    script.chmod(0o700)
    assert shown(BROWSER=f"{script} %s").stderr == ""
    assert seen.read_text() == (tmp_path / "training_report_42.html").as_uri()
    assert shown().stderr == "There is no browser here to show it in.\n"


@pytest.mark.usefixtures("one_athlete")
def test_the_athlete_must_be_named_where_there_are_several():
    _insert(row(43, 2, "2026-11-01 10:00"))
    result = invoke("report")
    assert (result.exit_code, "several athletes (42, 43)" in result.output) == (2, True)
    result = invoke("report", "--athlete", "44")
    assert (result.exit_code, "no activity of athlete 44" in result.output) == (78, True)


@pytest.mark.usefixtures("one_athlete")
def test_a_new_link_ends_the_one_before(redis_url: str):
    links = ReportLinks(Redis.from_url(redis_url))
    before = links.word(42)
    printed = invoke("report", "--new-link").output
    now = links.word(42)
    assert printed.rstrip().endswith(f"/reports/of/{now}")
    assert (links.athlete(before), links.athlete(now)) == (None, 42)
    assert not Path("training_report_42.html").exists()


@pytest.mark.usefixtures("environment")
def test_without_tables_and_without_activities_the_next_step_is_reported():
    assert "strava-assets init" in invoke("report").output
    migrate(Settings.from_environment().database_url)
    assert "Fetch some with: strava-assets import" in invoke("report").output


@pytest.mark.usefixtures("one_athlete")
def test_first_settings_hold_for_the_whole_history_and_later_ones_from_today():
    shown = invoke("athlete", "show").output
    assert "(guessed)" in shown
    assert re.search(r"^  sex +not set: as for men$", shown, re.MULTILINE)
    result = invoke("athlete", "set", "--hr-max", "188", "--ftp", "250", "--units", "imperial")
    assert "from the beginning on: hr_max 188 bpm, ftp 250 W, units imperial" in result.output
    assert invoke("athlete", "set", "--from", "2026-11-20", "--ftp", "260").exit_code == 0
    assert invoke("athlete", "set", "--from", "2026-11-20", "--weight", "70").exit_code == 0
    periods = "SELECT valid_from::text, hr_max, ftp, weight FROM strava_analytics.athlete_setting ORDER BY 1"
    assert _ask(periods) == [
        ("0001-01-01", 188, 250, None),
        ("2026-11-20", 188, 260, 70),
    ]
    assert invoke("athlete", "set", "--ftp", "270").exit_code == 0
    assert _ask(
        "SELECT valid_from = (SELECT today FROM strava_analytics.athlete) FROM strava_athlete_setting WHERE ftp = 270"
    ) == [(True,)]
    shown = invoke("athlete", "show").output
    assert "imperial units, weeks start on Monday, duplicates count twice" in shown


@pytest.mark.usefixtures("one_athlete")
def test_preferences_change_one_by_one_and_nonsense_is_refused():
    assert invoke("athlete", "set", "--week-start", "sunday").exit_code == 0
    assert invoke("athlete", "set", "--counts-duplicates", "no").exit_code == 0
    assert _ask("SELECT units, week_start, counts_duplicates FROM strava_athlete_preference") == [
        (None, "sunday", False)
    ]
    for options in (["--hr-max", "500"], ["--ftp", "nan"], ["--sex", "x"], ["--from", "yesterday", "--ftp", "200"], []):
        assert invoke("athlete", "set", *options).exit_code == 2, options


@pytest.mark.usefixtures("one_athlete")
def test_heart_rates_that_cannot_be_together_are_refused_and_nothing_is_changed():
    assert invoke("athlete", "set", "--hr-max", "185", "--hr-rest", "50").exit_code == 0
    for options in (["--hr-rest", "190"], ["--hr-threshold", "186"], ["--hr-threshold", "50"], ["--hr-max", "50"]):
        result = invoke("athlete", "set", "--from", "2026-11-20", *options)
        assert (result.exit_code, "From 2026-11-20 on, resting, threshold" in result.output) == (2, True), options
    assert _ask("SELECT hr_max, hr_rest, hr_threshold FROM strava_athlete_setting") == [(185, 50, None)]
