"""Maps of routes without tiles: encoded polylines as SVG paths, with start and end cut off.

A request for map tiles would tell the tiles' server where somebody lives, and the ends of a route would tell whoever
sees the page.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[float, float]
"""Latitude and longitude, degrees."""

CUT_METRES = 200
MAX_MAPS, MAX_ROUTES, MAX_POINTS = 4, 100, 48
SIZE = 400
"""Width and height of a map's coordinates."""

_METRES_PER_DEGREE = 111_320
_REGION_DEGREES = 0.75
"""Routes that start in one cell of this size share a map."""


@dataclass(frozen=True)
class RouteMap:
    """A region's routes as SVG paths, newest last, and how wide the map is."""

    paths: list[str]
    kilometres: float


def maps(polylines: Iterable[str]) -> list[RouteMap]:
    """Maps of the regions with the most routes; `polylines` come newest first. What is no polyline is left out."""
    regions: dict[tuple[int, int], list[list[Place]]] = defaultdict(list)
    for polyline in polylines:
        route = _cut(decoded(polyline))
        if len(route) > 1:
            regions[math.floor(route[0][0] / _REGION_DEGREES), math.floor(route[0][1] / _REGION_DEGREES)].append(route)
    most = sorted(regions.values(), key=len, reverse=True)[:MAX_MAPS]
    return [_drawn(routes[:MAX_ROUTES]) for routes in most]


def decoded(polyline: str) -> list[Place]:
    """The places of an encoded polyline, as far as it can be read.

    https://developers.google.com/maps/documentation/utilities/polylinealgorithm
    """
    numbers: list[int] = []
    bits = shift = 0
    for character in polyline:
        chunk = ord(character) - 63
        if not 0 <= chunk < 64 or shift > 30:  # noqa: PLR2004 - six bits a character, 32 a number
            break
        bits |= (chunk & 31) << shift
        shift += 5
        if chunk < 32:  # noqa: PLR2004 - the last character of a number
            numbers.append(~(bits >> 1) if bits & 1 else bits >> 1)
            bits = shift = 0
    places: list[Place] = []
    latitude = longitude = 0
    for north, east in zip(numbers[::2], numbers[1::2], strict=False):
        latitude, longitude = latitude + north, longitude + east
        if abs(latitude) > 90 * 10**5 or abs(longitude) > 360 * 10**5:
            break
        places.append((latitude / 1e5, longitude / 1e5))
    return places


def metres(one: Place, other: Place) -> float:
    """The distance between two places that lie near each other."""
    north = one[0] - other[0]
    east = (one[1] - other[1]) * math.cos(math.radians((one[0] + other[0]) / 2))
    return math.hypot(north, east) * _METRES_PER_DEGREE


def _cut(route: list[Place]) -> list[Place]:
    """The route without what lies within 200 m of its start or its end: all of it, also where it comes by later."""
    if not route:
        return []
    ends = (route[0], route[-1])
    kept: list[Place] = []
    best: list[Place] = []
    for place in [*route, None]:
        if place is not None and min(metres(place, end) for end in ends) >= CUT_METRES:
            kept.append(place)
            continue
        best, kept = max(best, kept, key=len), []
    return best


def _drawn(routes: list[list[Place]]) -> RouteMap:
    latitudes = [place[0] for route in routes for place in route]
    longitudes = [place[1] for route in routes for place in route]
    stretch = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2))
    width = (max(longitudes) - min(longitudes)) * stretch
    extent = max(width, max(latitudes) - min(latitudes), 1e-4)

    def point(place: Place) -> str:
        x = ((place[1] - min_longitude) * stretch + (extent - width) / 2) / extent * SIZE
        y = (max_latitude - place[0] + (extent - height) / 2) / extent * SIZE
        return f"{x:.0f} {y:.0f}"

    min_longitude, max_latitude, height = min(longitudes), max(latitudes), max(latitudes) - min(latitudes)
    paths = ["M" + "L".join(_without_repeats(map(point, _thinned(route)))) for route in reversed(routes)]
    return RouteMap(paths, extent * _METRES_PER_DEGREE / 1000)


def _thinned(route: list[Place]) -> list[Place]:
    step = max(1, math.ceil(len(route) / MAX_POINTS))
    return [*route[::step], route[-1]]


def _without_repeats(points: Iterable[str]) -> list[str]:
    found: list[str] = []
    for point in points:
        if not found or found[-1] != point:
            found.append(point)
    return found
