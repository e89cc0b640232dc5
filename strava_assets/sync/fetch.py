"""Strava → raw objects: fetch a window, page by page, and write each hour once it is complete.

What was written stays written: an interrupted fetch of a range goes on where it stopped. Hours whose object would lose
an activity are written last, once the whole listing was seen and it was decided what may go (`deletions.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from redis import Redis
from sqlalchemy import Engine

from strava_assets.errors import AthleteGone, StravaAssetsError
from strava_assets.hours import Window, floor_to_hour
from strava_assets.mirror.airflow_rows import assign_airflow_rows
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.queries import known_hours, stored
from strava_assets.mirror.unlisted import Place
from strava_assets.raw.activity import RawActivity, activity_key
from strava_assets.raw.store import RawObject, RawStore, Written
from strava_assets.state.resume_points import ResumePoints
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import FIRST_KEY, Athlete
from strava_assets.sync.athletes import athletes_logged_in, each_athlete
from strava_assets.sync.deletions import Review
from strava_assets.sync.listing import Gap, ListingWithGaps
from strava_assets.sync.presence import while_logged_in

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
    """By athlete: what was fetched by an earlier try, and not again, up to this moment."""
    errors: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes who could not be fetched, and why."""
    held_back: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes of whom all was fetched, but deletions wait, and why."""
    gaps: dict[int, list[Gap]] = field(default_factory=dict)
    """By athlete: hours that stay as they are, since Strava's answer for them cannot be understood."""
    athletes: list[Athlete] = field(default_factory=list)
    left_out: Sequence[StravaAssetsError] = ()
    """Of tokens that could not be used, why."""
    assigned: int = 0
    """Rows of the Airflow DAG that got their athlete."""

    def drop(self, athlete: Athlete) -> None:
        """Name the athlete nowhere: they were logged out or purged meanwhile."""
        self.athletes = [each for each in self.athletes if each.id != athlete.id]
        for of_athlete in (self.resumed, self.held_back, self.gaps):
            of_athlete.pop(athlete.id, None)
        for athlete_id, hour in list(self.activities):
            if athlete_id == athlete.id:
                del self.activities[athlete_id, hour]


def _nothing_more(_athlete: Athlete, _hours: Hours, _etags: Etags) -> None:
    """What a fetch does with complete hours besides writing them, by default."""


@dataclass(frozen=True)
class Fetcher:
    """Fetches windows from Strava into the bucket.

    `engine` leads to the mirror, which knows hours that need an object even if they are empty now; `on_hours` is
    called with each batch of complete hours once they are written, with the ETags of their objects.
    """

    client: StravaClient
    store: RawStore
    resume: ResumePoints
    engine: Engine
    review: Review
    on_hours: Callable[[Athlete, Hours, Etags], None] = _nothing_more

    def fetch(self, window: Window) -> Fetched:
        """Fetch every athlete's activities of the window and write them as raw objects.

        A single hour always gets its object. In a longer window those hours do that have activities, an
        object already, or are known to the mirror, so that what vanished upstream is recorded as gone.

        One athlete's error is noted, and the others go on; it is raised when nobody could be read. Raises
        ConfigurationError when nobody is logged in.
        """
        athletes = athletes_logged_in(self.client)
        first = next((athlete.id for athlete in athletes if athlete.token_key == FIRST_KEY), None)
        assigned = assign_airflow_rows(self.engine, first)
        fetched = Fetched(athletes=athletes, left_out=self.client.left_out, assigned=assigned)

        def fetch_athlete(athlete: Athlete) -> None:
            try:
                _FetchOfAthlete(self, athlete, window, fetched).run()
            except AthleteGone:
                fetched.drop(athlete)
                raise

        fetched.errors = each_athlete(athletes, fetch_athlete)
        return fetched


def make_fetcher(
    client: StravaClient, store: RawStore, engine: Engine, redis: Redis, max_delete_share: float
) -> Fetcher:
    """A Fetcher with the review that decides on deletions."""
    return Fetcher(client, store, ResumePoints(redis), engine, Review(client, engine, DeletionGuard(max_delete_share)))


class _FetchOfAthlete:
    """One athlete's window."""

    def __init__(self, fetcher: Fetcher, athlete: Athlete, window: Window, fetched: Fetched) -> None:
        self._with = fetcher
        self._athlete = athlete
        self._window = window
        self._fetched = fetched
        # Shorter windows are cheap, and were asked for because something in them differs: all of it is fetched.
        self._is_long = window.end - window.start > RESUMED_FROM
        self._existing: dict[datetime, RawObject] = {}
        self._here: defaultdict[datetime, set[int | str]] = defaultdict(set)
        self._listed: dict[int | str, datetime] = {}
        self._losing: Hours = {}
        self._lost: dict[Place, RawActivity | None] = {}
        """What hours would lose, and as what it is in the raw object; None where only the mirror has it."""

    def run(self) -> None:
        athlete_id, resume = self._athlete.id, self._with.resume
        reached = self._window.start
        if self._is_long:
            reached = resume.reached(athlete_id, self._window)
        if reached > self._window.start:
            self._fetched.resumed[athlete_id] = reached
        rest = Window(reached, self._window.end)
        self._existing = self._with.store.objects(athlete_id, rest)
        with transaction(self._with.engine) as connection:
            even_if_empty = set(self._existing) | known_hours(connection, athlete_id, rest)
            for key, known in stored(connection, athlete_id, rest, ()).items():
                self._here[known.hour].add(key)
        if self._window.is_single_hour:
            even_if_empty.add(self._window.start)
        listing = ListingWithGaps(self._with.client, self._athlete, rest)
        for complete, hours in _complete_hours(listing, rest, even_if_empty):
            self._listed.update({activity_key(each): hour for hour, found in hours.items() for each in found})
            losses = self._losses(hours)
            self._write({hour: found for hour, found in hours.items() if hour not in losses})
            self._losing.update({hour: hours[hour] for hour in losses})
            if self._is_long:
                open_hours = [*self._losing, *(gap.window.start for gap in listing.gaps)]
                self._reach(min([complete, *open_hours]))
        self._write_losing()
        if listing.gaps:
            self._fetched.gaps[athlete_id] = listing.gaps
        elif self._is_long:
            self._reach(self._window.end)

    def _reach(self, moment: datetime) -> None:
        with while_logged_in(self._with.engine, self._with.client, self._athlete):
            self._with.resume.reach(self._athlete.id, self._window, moment)

    def _losses(self, hours: Hours) -> set[datetime]:
        """The hours of which the object or the mirror would lose an activity; what it is, is noted."""
        there = self._with.store.losses(self._athlete.id, hours, self._existing)
        losses: set[datetime] = set()
        for hour, found in hours.items():
            known = there.get(hour, {})
            lost = (self._here[hour] | known.keys()) - {activity_key(each) for each in found}
            if lost:
                losses.add(hour)
                self._lost.update({Place(hour, key): known.get(key) for key in lost})
        return losses

    def _write_losing(self) -> None:
        """Write the hours that lose something, without what may be deleted, and with what may not."""
        if not self._losing:
            return
        allowed: set[Place] = set()
        try:
            verdict = self._with.review.decide(self._athlete, self._lost.keys(), self._listed)
            allowed = verdict.allowed
            if verdict.refusal:
                self._fetched.held_back[self._athlete.id] = verdict.refusal
        finally:  # edits and new activities go through, whatever becomes of the deletions
            for place, activity in self._lost.items():
                if place not in allowed and activity:
                    self._losing[place.hour].append(activity)
            self._write(self._losing)

    def _write(self, hours: Hours) -> None:
        existing = {} if self._window.is_single_hour else self._existing
        with while_logged_in(self._with.engine, self._with.client, self._athlete):
            written, etags = self._with.store.write(self._athlete.id, hours, existing)
            self._fetched.written += written
            self._fetched.activities.update({(self._athlete.id, hour): len(found) for hour, found in hours.items()})
            self._with.on_hours(self._athlete, hours, etags)


def _complete_hours(
    listing: ListingWithGaps, window: Window, even_if_empty: Collection[datetime]
) -> Iterator[tuple[datetime, Hours]]:
    """Page by page: the moment up to which everything is known, and the hours completed by the page.

    `even_if_empty` are hours that are yielded though they are empty. Hours in a gap of the listing never are.
    """
    growing: defaultdict[datetime, dict[int | str, RawActivity]] = defaultdict(dict)
    done_until = window.start
    for page in listing.pages():
        for listed in page.activities:
            if listed.hour >= done_until:  # the overlap of two pages may reach back into an hour that was yielded
                growing[listed.hour][activity_key(listed.activity)] = listed.activity
        complete = page.complete_until if page.complete_until >= window.end else floor_to_hour(page.complete_until)
        span = Window(done_until, complete)
        hours: Hours = {hour: [] for hour in even_if_empty if hour in span}
        hours.update({hour: list(growing.pop(hour).values()) for hour in sorted(growing) if hour in span})
        done_until = max(done_until, complete)
        yield complete, {hour: found for hour, found in hours.items() if hour in listing}
