"""What the charts show of athletes with little, and with many sports."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from strava_assets.mirror.database import transaction
from strava_assets.report.charts import Chart, charts
from strava_assets.report.data import read
from strava_assets_tests.views.golden import insert, row

NOW = datetime.now(UTC)


def _charts(engine: Engine, sports: list[str]) -> dict[str, Chart]:
    """Of an athlete who did each sport today, the first one longest."""
    today = f"{NOW:%Y-%m-%d} 01:00"
    with transaction(engine) as connection:
        insert(connection, [row(1, n, today, sport_type=name, moving_time=9000 - n) for n, name in enumerate(sports)])
        return charts(read(connection, 1))


def test_a_calendar_has_all_days_of_its_weeks_also_those_before_the_first_activity(engine: Engine):
    days = _charts(engine, ["Run"])["calendar"].spec["data"]["values"]
    assert len(days) == 52 * 7 + NOW.weekday() + 1
    assert {each["week"] for each in days} == {
        (NOW.date() - timedelta(days=NOW.weekday() + 7 * age)).isoformat() for age in range(53)
    }
    assert [each["day"] for each in days if each["minutes"]] == [NOW.date().isoformat()]


def test_a_single_day_of_fitness_is_a_point_on_the_axis_of_a_year(engine: Engine):
    drawn = _charts(engine, ["Run"])
    assert drawn["fitness"].spec["layer"][1]["mark"]["point"] is True
    assert len(drawn["fitness"].spec["encoding"]["x"]["scale"]["domain"]) == 2
    assert "monotony" not in drawn["load"].description


def test_no_two_sports_have_the_same_colour(engine: Engine):
    sports = [f"Sport {number}" for number in range(12)]
    spec = _charts(engine, sports)["weeks"].spec
    assert spec["encoding"]["color"]["scale"]["domain"] == [*sports[:7], "other sports"]
    assert sum(each["hours"] for each in spec["data"]["values"]) == pytest.approx(12 * 2.5, abs=0.05)
