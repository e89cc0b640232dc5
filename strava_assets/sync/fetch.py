"""Strava → raw objects: fetch a window, page by page, and write each hour once it is complete.

What was written stays written: an interrupted fetch of a range goes on where it stopped.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from redis import Redis
from sqlalchemy import Engine

from strava_assets.errors import AthleteError, ConfigurationError
from strava_assets.hours import Window, floor_to_hour
from strava_assets.mirror.database import transaction
from strava_assets.mirror.differences import known_hours
from strava_assets.mirror.load import activity_key
from strava_assets.raw.activity import RawActivity
from strava_assets.raw.store import RawStore, Written
from strava_assets.state.connection import answering
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete

Hours = dict[datetime, list[RawActivity]]
Etags = dict[datetime, str | None]


RESUMED_FROM = timedelta(days=31)
"""Windows longer than this go on where an earlier try stopped."""


class ResumePoints:
    """How far a fetch got since a range's first hour, by athlete: in Redis for a day, gone when it is complete.

    The range's end is not part of it: a later try often ends an hour later. Every method raises ServiceUnavailable
    if Redis does not answer.
    """

    LIFETIME = timedelta(days=1)

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def reached(self, athlete_id: int, window: Window) -> datetime:
        """Everything of the window before this moment was fetched and written less than a day ago."""
        with answering(self._redis):
            value = self._redis.get(self._key(athlete_id, window))
        reached = datetime.fromisoformat(value.decode()) if isinstance(value, bytes) else window.start
        return reached if reached < window.end else window.start

    def reach(self, athlete_id: int, window: Window, moment: datetime) -> None:
        """Remember that everything before `moment` is written."""
        with answering(self._redis):
            if moment >= window.end:
                self._redis.delete(self._key(athlete_id, window))
            else:
                self._redis.set(self._key(athlete_id, window), moment.isoformat(), ex=self.LIFETIME)

    def forget(self, athlete_id: int) -> int:
        """Remove all of an athlete's; how many there were."""
        with answering(self._redis):
            keys = list(self._redis.scan_iter(match=f"strava:fetched:{athlete_id}:*", count=1000))
            return int(self._redis.delete(*keys)) if keys else 0

    @staticmethod
    def _key(athlete_id: int, window: Window) -> str:
        return f"strava:fetched:{athlete_id}:{window.start:%Y-%m-%dT%H}"


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
