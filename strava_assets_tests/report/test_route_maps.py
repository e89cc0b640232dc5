import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.report.route_maps import CUT_METRES, MAX_MAPS, MAX_POINTS, MAX_ROUTES, _cut, decoded, maps, metres
from strava_assets.simulator.gps_routes import encoded

PLACES = st.lists(st.tuples(st.floats(-80, 80), st.floats(-179, 179)), min_size=1, max_size=30)


@given(PLACES)
def test_a_line_is_decoded_to_the_places_that_were_encoded(places: list[tuple[float, float]]):
    found = decoded(encoded(places))
    assert len(found) == len(places)
    assert all(
        math.isclose(one, other, abs_tol=0.6e-5)
        for place, back in zip(places, found, strict=True)
        for one, other in zip(place, back, strict=True)
    )


@given(st.text(max_size=200))
def test_what_is_no_line_breaks_nothing(text: str):
    assert all(abs(latitude) <= 90 and abs(longitude) <= 360 for latitude, longitude in decoded(text))
    maps([text])


def ring(radius_metres: float, points: int = 200) -> list[tuple[float, float]]:
    """A round trip from the origin."""
    radius = radius_metres / 111_320
    turns = [math.tau * number / points for number in range(points + 1)]
    return [(radius - radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]


@given(st.floats(300, 5000), st.integers(20, 300))
def test_no_place_within_200_metres_of_start_or_end_is_drawn(radius: float, points: int):
    route = ring(radius, points)
    for place in _cut(route):
        assert min(metres(place, route[0]), metres(place, route[-1])) >= CUT_METRES


def test_a_route_that_comes_by_its_start_again_keeps_its_longest_part():
    route = [*ring(1000), *ring(3000, 400)]
    cut = _cut(route)
    assert max(metres(place, (0, 0)) for place in cut) > 5000
    assert min(metres(place, (0, 0)) for place in cut) >= CUT_METRES


def test_a_route_around_the_house_is_not_drawn():
    assert maps([encoded(ring(50))]) == []


@pytest.mark.slow
def test_maps_are_few_small_and_of_the_places_with_the_most_routes():
    polylines = [
        encoded([(latitude + 47 + number, longitude + 8) for latitude, longitude in ring(2000, 1000)])
        for number in range(6)
        for _ in range(MAX_ROUTES + 10 - number * 19)
    ]
    found = maps(polylines)
    assert [len(each.paths) for each in found] == [100, 91, 72, 53]
    assert len(found) == MAX_MAPS
    assert all(path.count("L") <= MAX_POINTS for each in found for path in each.paths)
    assert all(3 < each.kilometres < 5 for each in found)
