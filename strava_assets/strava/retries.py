"""Bounded repetition with growing pauses, for what may succeed the next time."""

import random
from collections.abc import Callable
from typing import TypeVar

import requests

from strava_assets.errors import MalformedPage, StravaUnavailable
from strava_assets.strava.bounds import unbounded
from strava_assets.strava.clock import Clock

T = TypeVar("T")

ATTEMPTS = 4

FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each further pause is twice as long."""


class TryAgain(Exception):
    """One attempt failed in a way that may pass. `reason` completes "last error: ..."."""

    def __init__(
        self, reason: str, giving_up: type[StravaUnavailable | MalformedPage] = StravaUnavailable, *, pause: bool = True
    ) -> None:
        super().__init__(reason)
        self.giving_up = giving_up
        self.pause = pause


def repeat(request: str, once: Callable[[], T], clock: Clock, *, attempts: int = ATTEMPTS) -> T:
    """Call `once` until it succeeds, at most `attempts` times. `request` is method and path, `GET /athlete`.

    Raises StravaUnavailable or MalformedPage, as the last failure would have it, in the end.
    """
    for attempt in range(1, attempts + 1):
        try:
            return once()
        except TryAgain as error:
            if attempt == attempts:
                raise error.giving_up(_gave_up(request, attempts, str(error))) from error
            pause = error.pause
        except requests.RequestException as error:
            if attempt == attempts:
                raise StravaUnavailable(_gave_up(request, attempts, _connection_error(error))) from error
            pause = True
        if pause:
            clock.sleep(FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
    raise ValueError("at least one attempt is needed")


def _gave_up(request: str, attempts: int, reason: str) -> str:
    failed = "failed" if attempts == 1 else f"failed after {attempts} attempts; last error"
    return f"{request} {failed}: {reason}."


def _connection_error(error: requests.RequestException) -> str:
    if beyond := unbounded(error):
        return str(beyond)
    if isinstance(error, requests.exceptions.SSLError):
        return "the encrypted connection could not be made"
    if isinstance(error, requests.Timeout):
        return "Strava did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection to Strava, or it was reset"
    return str(error) if type(error).__module__.startswith("strava_assets") else type(error).__name__
