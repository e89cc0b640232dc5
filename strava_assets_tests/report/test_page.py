"""The page in a browser without a network, for athletes with much, little and nothing."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from strava_assets.report.making import fingerprint, make_report
from strava_assets.report.page import comment
from strava_assets.simulator.history import history
from strava_assets_tests import browser
from strava_assets_tests.views.golden import insert, row, rows_of

NOW = datetime.now(UTC)
MUCH, LITTLE, ONE, NOTHING = 41, 42, 43, 44
WIDE = 1000
A4 = 703
"""How wide a printed page is between its margins, in CSS pixels."""


@pytest.fixture
def athletes(engine: Engine) -> Engine:
    """An athlete with two years, one with a run in miles, one with a title that ends scripts, and one with nothing."""
    with engine.begin() as connection:
        insert(connection, rows_of(history(MUCH, start=NOW - timedelta(days=700), end=NOW, per_year=250, seed=5), MUCH))
        today = f"{NOW:%Y-%m-%d} 01:00"
        insert(connection, [row(LITTLE, 1, today)], athlete_id=LITTLE, units="imperial", week_start="sunday")
        title = "</script><script>document.title='taken over'</script>"
        insert(connection, [row(ONE, 2, today, sport_type="Yoga", distance=None, name=title)])
    return engine


def test_a_page_asks_nobody_for_anything_and_is_small(athletes: Engine):
    for athlete_id in (MUCH, LITTLE, ONE, NOTHING):
        page = make_report(athletes, athlete_id)
        assert "http" not in page
        assert not re.search(r"""(?:src|href)=["'](?!#)|@import|url\(""", page)
        assert len(page.encode()) < 1_500_000


def test_every_number_at_the_top_says_how_it_is_computed(athletes: Engine):
    page = make_report(athletes, MUCH)
    tiles = re.findall(r'<div class="tile"[^>]*>', page)
    assert len(tiles) == 9
    assert all(re.search(r'title="[^"]{20,}"', tile) for tile in tiles)
    assert comment("day", "fitness").replace(">", "&gt;") in page


def test_a_report_says_the_numbers_of_the_views_in_the_athletes_units(athletes: Engine):
    page = make_report(athletes, LITTLE)
    assert "6.2 mi" in page
    assert "10.0 km" not in page
    assert "328 ft" in page
    assert "8:03 /mi" in page
    with athletes.connect() as connection:
        fitness = connection.scalar(
            text("SELECT fitness FROM strava_analytics.day WHERE athlete_id = 41 ORDER BY day DESC LIMIT 1")
        )
    assert f'<span class="value">{fitness:.1f}</span>' in make_report(athletes, MUCH)


def test_an_athlete_without_an_activity_gets_a_page_that_says_so(athletes: Engine):
    page = make_report(athletes, NOTHING)
    assert "There is no activity yet" in page
    assert "<script" not in page


def test_the_fingerprint_changes_with_what_a_report_shows_and_with_nothing_else(athletes: Engine):
    changes = (
        "UPDATE strava_activity SET digest = 'edited' WHERE id = 1",
        "DELETE FROM strava_activity WHERE id = 2",
        "INSERT INTO strava_athlete_setting (athlete_id, valid_from, ftp) VALUES (41, '2026-01-01', 250)",
        "UPDATE strava_athlete_preference SET units = 'metric'",
        "UPDATE strava_sport_group SET sport_group = 'Feet' WHERE sport_type = 'Run'",
    )
    with athletes.begin() as connection:
        found = [fingerprint(connection)]
        for change in changes:
            connection.execute(text(change))
            found.append(fingerprint(connection))
        connection.execute(text("UPDATE strava_activity SET kudos_count = 5"))
        assert fingerprint(connection) == found[-1]
    assert len(set(found)) == len(found)


@pytest.fixture
def files(athletes: Engine, tmp_path: Path) -> dict[int, str]:
    """Where each athlete's page lies."""
    found = {}
    for athlete_id in (MUCH, LITTLE, ONE, NOTHING):
        file = tmp_path / f"{athlete_id}.html"
        file.write_text(make_report(athletes, athlete_id), encoding="utf-8")
        found[athlete_id] = file.as_uri()
    return found


LOOKS = (Path(__file__).parent / "accessibility.js").read_text()
"""Gives what an accessibility check complains of."""


@pytest.mark.slow
@pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_pages_are_drawn_without_a_network_an_error_or_a_barrier(
    files: dict[int, str], tmp_path: Path, scheme: Any, width: int
):
    console: list[str] = []
    requested: list[str] = []
    with browser.opened("about:blank", tmp_path / "profile") as page:
        page.context.set_offline(True)
        page.set_viewport_size({"width": width, "height": 1000 if width > WIDE else 780})
        page.emulate_media(color_scheme=scheme)
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        for athlete_id, url in files.items():
            page.goto(url)
            if athlete_id != NOTHING:
                page.wait_for_selector("html[data-drawn]", state="attached")
                charts = page.locator(".chart svg").count()
                assert charts == page.locator(".chart").count() >= 5, athlete_id
            if athlete_id == MUCH:
                browser.keep_picture(page, f"report-{scheme}-{'desktop' if width > WIDE else 'phone'}")
            assert page.evaluate(LOOKS) == [], athlete_id
            assert page.title().startswith("Training report")
    assert console == []
    assert requested == list(files.values())


@pytest.mark.slow
@pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))
def test_a_page_can_be_read_by_keyboard_and_printed(files: dict[int, str], tmp_path: Path):
    with browser.opened("about:blank", tmp_path / "profile") as page:
        page.goto(files[MUCH])
        page.wait_for_selector("html[data-drawn]", state="attached")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the numbers"
        focused = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            focused.add(page.evaluate("document.activeElement.tagName"))
        assert {"A", "SUMMARY", "DIV"} <= focused  # links, what can be opened, tables that scroll
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.set_viewport_size({"width": A4, "height": 1000})
        cut = "[...document.querySelectorAll('.scroll')].filter((each) => each.scrollWidth > document.body.clientWidth)"
        assert page.evaluate(f"{cut}.map((each) => each.ariaLabel)") == []


def test_what_charts_show_equals_the_views(athletes: Engine):
    page = make_report(athletes, MUCH)
    written = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert written
    charts = json.loads(written[1])
    with athletes.connect() as connection:
        days = connection.execute(
            text("SELECT day, fitness FROM strava_analytics.day WHERE athlete_id = 41 ORDER BY day DESC LIMIT 371")
        ).all()
        hours = connection.scalar(
            text(
                "SELECT sum(moving_minutes) / 60 FROM strava_analytics.week WHERE athlete_id = 41 "
                "AND week > (SELECT today FROM strava_analytics.athlete WHERE athlete_id = 41) - 364"
            )
        )
    drawn = charts["fitness"]["data"]["values"]
    assert [each["day"] for each in drawn] == [day.day.isoformat() for day in reversed(days)]
    assert [each["fitness"] for each in drawn] == [round(day.fitness, 2) for day in reversed(days)]
    assert sum(each["hours"] for each in charts["weeks"]["data"]["values"]) == pytest.approx(hours, abs=2)


@pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))
def test_the_accessibility_check_finds_what_is_wrong(tmp_path: Path):
    bad = """<h1>A</h1><h3>B</h3><p style="color: #aaa">faint</p><table><tr><th>no scope</th></tr></table>
             <figure></figure><a href="#gone" id="x">link</a><b id="x"></b>
             <div tabindex="0" style="width: 3000px">d</div>"""
    with browser.opened("about:blank", tmp_path / "profile") as page:
        page.set_content(bad)
        found = set(page.evaluate(LOOKS))
    assert found == {
        "wider than the window",
        "an id twice",
        "a table without caption",
        "a head cell without scope",
        "a nameless figure",
        "a nameless region",
        "a level of headings left out",
        "a link to nowhere",
        "low contrast: faint",
    }
