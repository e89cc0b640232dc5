"""Routes that an athlete takes again and again: start, end, and the line between as an encoded polyline.

https://developers.google.com/maps/documentation/utilities/polylinealgorithm
"""

import itertools
import math
import random
from collections.abc import Iterable
from typing import NamedTuple

Place = tuple[float, float]
"""Latitude and longitude in degrees."""

POINTS = 48
DEGREES_PER_METRE = 1 / 111_320


class Route(NamedTuple):
    """Where it starts and ends, and its line."""

    start: Place
    end: Place
    polyline: str


def routes(chance: random.Random, home: Place, *, number: int = 20) -> list[Route]:
    """A number of wandering routes from near `home`, most of them round trips."""
    return [_wander(chance, home, is_round_trip=chance.random() < 0.85) for _ in range(number)]


def _wander(chance: random.Random, home: Place, *, is_round_trip: bool) -> Route:
    step = chance.uniform(60, 900) * DEGREES_PER_METRE
    heading = chance.uniform(0, math.tau)
    turn = math.tau / POINTS if is_round_trip else 0.0
    latitude, longitude = (each + chance.gauss(0, 200 * DEGREES_PER_METRE) for each in home)
    places = []
    for _ in range(POINTS + 1):
        places.append((round(latitude, 5), round(longitude, 5)))
        heading += turn + chance.gauss(0, 0.25)
        latitude += step * math.cos(heading)
        longitude += step * math.sin(heading) / math.cos(math.radians(latitude))
    return Route(places[0], places[-1], encoded(places))


def encoded(places: Iterable[Place]) -> str:
    """A line as Strava sends it: differences in hundred-thousandths of a degree, five bits a character."""
    whole = [(round(latitude * 1e5), round(longitude * 1e5)) for latitude, longitude in places]
    steps = zip(whole, [(0, 0), *whole[:-1]], strict=True)
    return "".join(_encoded_number(here - before) for pair in steps for here, before in zip(*pair, strict=True))


def _encoded_number(value: int) -> str:
    bits = ~(value << 1) if value < 0 else value << 1
    characters = []
    for _ in itertools.count():
        chunk, bits = bits & 31, bits >> 5
        characters.append(chr((chunk | 32 if bits else chunk) + 63))
        if not bits:
            break
    return "".join(characters)
