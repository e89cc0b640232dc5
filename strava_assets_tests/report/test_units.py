import pytest

from strava_assets.report.units import Units, change, clock, hours, signed

METRIC, IMPERIAL = Units(is_imperial=False), Units(is_imperial=True)
NO_SPEED = {"speed_kmh": None, "pace_min_per_km": None, "pace_min_per_100m": None}


@pytest.mark.parametrize(
    ("minutes", "written"), [(0, "0:00"), (4.999, "5:00"), (59.99, "59:59"), (60, "1:00:00"), (143.74, "2:23:44")]
)
def test_times_are_written_to_the_second(minutes: float, written: str):
    assert clock(minutes) == written


def test_hours_are_written_with_minutes():
    assert (hours(59.6), hours(0), hours(76325)) == ("1 h 00", "0 h 00", "1,272 h 05")


def test_distances_and_heights_are_in_the_athletes_units():
    assert (METRIC.kilometres(42.195), IMPERIAL.kilometres(42.195)) == ("42.2 km", "26.2 mi")
    assert (METRIC.height(100), IMPERIAL.height(100)) == ("100 m", "328 ft")


def test_each_sport_shows_its_own_speed_or_pace():
    ride, run = NO_SPEED | {"speed_kmh": 32.18688}, NO_SPEED | {"pace_min_per_km": 5.0}
    swim = NO_SPEED | {"pace_min_per_100m": 2.0}
    assert [METRIC.pace(each) for each in (ride, run, swim, NO_SPEED)] == ["32.2 km/h", "5:00 /km", "2:00 /100 m", ""]
    assert [IMPERIAL.pace(each) for each in (ride, run, swim)] == ["20.0 mph", "8:03 /mi", "1:50 /100 yd"]


def test_a_change_from_nothing_has_no_percentage():
    assert (change(5, 0), change(90, 100).replace("\N{NO-BREAK SPACE}", " ")) == ("", "(\N{MINUS SIGN}10 %)")


@pytest.mark.parametrize(
    ("value", "written"), [(5.94, "+5.9"), (-5.96, "\N{MINUS SIGN}6.0"), (0.04, "0.0"), (-0.04, "0.0")]
)
def test_a_number_with_a_sign_has_none_where_it_is_written_as_zero(value: float, written: str):
    assert signed(value) == written
