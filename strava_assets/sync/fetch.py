"""Strava → raw objects: fetch a window, page by page, and write each hour once it is complete.

What was written stays written: an interrupted fetch of a range goes on where it stopped.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from strava_assets.errors import AthleteError, ConfigurationError
from strava_assets.hours import Window, floor_to_hour
from strava_assets.mirror.database import transaction
from strava_assets.mirror.queries import known_hours
from strava_assets.raw.activity import RawActivity, activity_key
from strava_assets.raw.store import RawStore, Written
from strava_assets.state.resume_points import ResumePoints
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete

Hours = dict[datetime, list[RawActivity]]
Etags = dict[datetime, str | None]


RESUMED_FROM = timedelta(days=31)
"""Windows longer than this go on where an earlier try stopped."""


@dataclass
class Fetched:
    """What a fetch brought, all athletes together."""

    activities: Counter[tuple[int, datetime]] = field(default_factory=Counter)
    written: Written = field(default_factory=Written)
    resumed: dict[int, datetime] = field(default_factory=dict)
    errors: dict[int, AthleteError] = field(default_factory=dict)
    athletes: list[Athlete] = field(default_factory=list)


def _nothing_more(_athlete: Athlete, _hours: Hours, _etags: Etags) -> None:
    """What a fetch does with complete hours besides writing them, unless told otherwise."""


@dataclass(frozen=True)
class Fetcher:
    """Fetches windows from Strava into the bucket.

    `engine` leads to the mirror, which knows hours that have to be stated even if they are empty now; `on_hours` is
    told of each batch of complete hours once they are written, with the ETags of their objects.
    """

    client: StravaClient
    store: RawStore
    resume: ResumePoints
    engine: Engine
    on_hours: Callable[[Athlete, Hours, Etags], None] = _nothing_more

    def fetch(self, window: Window) -> Fetched:
        """Fetch every athlete's activities of the window and write them as raw objects.

        A single hour always gets its object. In a longer window those hours do that have activities, an
        object already, or are known to the mirror, so that what vanished upstream is stated to be gone.

        One athlete's trouble is noted, and the others go on; it is raised when nobody could be read. Raises
        ConfigurationError when nobody is logged in.
        """
        fetched = Fetched(athletes=self.client.athletes())
        if not fetched.athletes:
            raise ConfigurationError("Nobody is logged in to Strava. Run: strava-assets login")
        for athlete in fetched.athletes:
            try:
                self._fetch_athlete(athlete, window, fetched)
            except AthleteError as trouble:
                fetched.errors[athlete.id] = trouble
        if len(fetched.errors) == len(fetched.athletes):
            raise next(iter(fetched.errors.values()))
        return fetched

    def _fetch_athlete(self, athlete: Athlete, window: Window, fetched: Fetched) -> None:
        # Shorter windows are cheap, and were asked for because something in them differs: all of it is fetched.
        is_long = window.end - window.start > RESUMED_FROM
        reached = self.resume.reached(athlete.id, window) if is_long else window.start
        if reached > window.start:
            fetched.resumed[athlete.id] = reached
        rest = Window(reached, window.end)
        existing = self.store.objects(athlete.id, rest)
        with transaction(self.engine) as connection:
            to_state = set(existing) | known_hours(connection, athlete.id, rest)
        is_single_hour = window == Window.of(window.start, window.start)
        if is_single_hour:
            to_state.add(window.start)
        for complete, hours in _complete_hours(self.client, athlete, rest, to_state):
            written, etags = self.store.write(athlete.id, hours, {} if is_single_hour else existing)
            fetched.written += written
            fetched.activities.update({(athlete.id, hour): len(found) for hour, found in hours.items()})
            self.on_hours(athlete, hours, etags)
            if is_long:
                self.resume.reach(athlete.id, window, complete)


def _complete_hours(
    client: StravaClient, athlete: Athlete, window: Window, to_state: Collection[datetime]
) -> Iterator[tuple[datetime, Hours]]:
    """Page by page: the moment up to which everything is known, and the hours completed by the page.

    `to_state` are hours that are told even when they are empty.
    """
    growing: defaultdict[datetime, dict[int | str, RawActivity]] = defaultdict(dict)
    told = window.start
    for page in client.activities(athlete, window):
        for listed in page.activities:
            if listed.hour >= told:  # the overlap of two pages may reach back into an hour that was told
                growing[listed.hour][activity_key(listed.activity)] = listed.activity
        complete = page.complete_until if page.complete_until >= window.end else floor_to_hour(page.complete_until)
        span = Window(told, complete)
        hours: Hours = {hour: [] for hour in to_state if hour in span}
        hours.update({hour: list(growing.pop(hour).values()) for hour in sorted(growing) if hour in span})
        told = max(told, complete)
        yield complete, hours
