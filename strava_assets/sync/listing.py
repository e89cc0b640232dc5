"""A listing that goes on around what cannot be understood: only the hours of a broken record stay unknown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from strava_assets.errors import MalformedPage
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.strava.client import StravaClient
from strava_assets.strava.pagination import ALL_TIME, Page
from strava_assets.strava.retries import ATTEMPTS
from strava_assets.strava.tokens import Athlete

ATTEMPTS_OF_A_CUT = 2
"""What was just asked four times in vain is not asked so often for each of its pieces."""

MAX_FAILURES = 60
"""Pieces that fail, in one listing; an hour in five years is found after 16."""


@dataclass(frozen=True)
class Gap:
    """Hours that are not known, since Strava's answer for them cannot be understood."""

    window: Window
    error: MalformedPage


class ListingWithGaps:
    """One listing of an athlete's window; `gaps` grows while its pages are read, each before a page behind it."""

    def __init__(self, client: StravaClient, athlete: Athlete, window: Window | None) -> None:
        """`window` None lists everything."""
        self._client = client
        self._athlete = athlete
        self._window = window
        self._failures = 0
        self._is_behind_gap = False
        self.gaps: list[Gap] = []

    def pages(self) -> Iterator[Page]:
        """The pages, oldest first; what a gap cut off halfway comes again. Raises what StravaClient.activities does.

        MalformedPage is raised only where there is no way around it: the window is a single hour, or too much in it
        is broken.
        """
        yield from self._pages(self._window, ATTEMPTS)

    def __contains__(self, hour: datetime) -> bool:
        """Whether the hour is known: the listing had all of it."""
        return not any(hour in gap.window for gap in self.gaps)

    def _pages(self, window: Window | None, attempts: int) -> Iterator[Page]:
        reached = (window or ALL_TIME).start
        try:
            for page in self._client.activities(self._athlete, window, attempts=attempts):
                self._is_behind_gap = False
                reached = max(reached, page.complete_until)
                yield page
        except MalformedPage as error:
            end = window.end if window else floor_to_hour(self._client.now()) + timedelta(days=1)
            yield from self._cut(Window(floor_to_hour(reached), end), error)

    def _cut(self, rest: Window, error: MalformedPage) -> Iterator[Page]:
        """List what failed in two halves, down to the hour that cannot be listed."""
        self._failures += 1
        if self._failures > MAX_FAILURES or (rest == self._window and rest.is_single_hour):
            raise error
        if rest.end - rest.start < 2 * HOUR:
            if self._is_behind_gap:
                raise error  # two in a row, and nothing in between: it is not about single hours
            self._is_behind_gap = True
            self.gaps.append(Gap(Window(rest.start, max(rest.end, rest.start + HOUR)), error))
            return
        for piece in (Window(rest.start, rest.middle), Window(rest.middle, rest.end)):
            yield from self._pages(piece, ATTEMPTS_OF_A_CUT)


def sentences(athlete_id: int, gaps: Iterable[Gap]) -> list[str]:
    """For each gap, which hours of whom are not known, and why."""
    return [f"The hours {gap.window} of athlete {athlete_id} are not known: {gap.error}" for gap in gaps]
