"""The whole history at once: the data first, then one run that records every hour in Dagster.

Dagster writes two events an hour and asset, which for years takes far longer than fetching the
activities. So an import fetches, writes the raw objects and mirrors them page by page, and only then has
one run of the whole range record what is there (`assets.FETCHED_TAG`), without another API request.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from redis import Redis
from sqlalchemy import Engine

from strava_assets.hours import HOUR, Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.load import DeletionGuard, HourSnapshot, Loaded, mirror
from strava_assets.raw.store import RawStore
from strava_assets.state.connection import answering
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.fetch import Etags, Fetched, Fetcher, Hours, ResumePoints


@dataclass
class Progress:
    """How far an import is, for people to look at."""

    athlete: Athlete | None = None
    pages: int = 0
    activities: int = 0
    reached: datetime | None = None
    oldest: datetime | None = None
    loaded: Loaded = field(default_factory=Loaded)


@dataclass(frozen=True)
class Importer:
    """Fetches a window and makes it queryable at once, page by page, oldest first."""

    client: StravaClient
    store: RawStore
    engine: Engine
    resume: ResumePoints
    max_delete_share: float
    on_progress: Callable[[Progress], None]

    def run(self, window: Window) -> tuple[Fetched, Progress]:
        """Import the window. Safe to interrupt and to repeat: what is written is not fetched again.

        Raises what `Fetcher.fetch` raises.
        """
        progress = Progress()
        deleted: Counter[int] = Counter()

        def make_queryable(athlete: Athlete, hours: Hours, etags: Etags) -> None:
            now = datetime.now(UTC)
            guard = DeletionGuard(self.max_delete_share, deleted_before=deleted[athlete.id])
            statements = (HourSnapshot(hour, now, etags[hour], activities) for hour, activities in hours.items())
            with transaction(self.engine) as connection:
                loaded = mirror(connection, athlete.id, statements, guard)
            deleted[athlete.id] += loaded.deleted
            progress.athlete = athlete
            progress.pages += 1
            progress.activities += sum(map(len, hours.values()))
            progress.loaded += loaded
            busy = [hour for hour, activities in hours.items() if activities]
            progress.reached = max(busy, default=progress.reached)
            progress.oldest = min([*busy, progress.oldest or window.end])
            self.on_progress(replace(progress))

        fetched = Fetcher(self.client, self.store, self.resume, self.engine, make_queryable).fetch(window)
        return fetched, progress


class PendingImport:
    """An import whose data is complete, but which Dagster has not recorded yet: in Redis, for an hour."""

    LIFETIME = timedelta(hours=1)

    def __init__(self, redis: Redis, asked: Window) -> None:
        self._redis = redis
        # The end moves on by itself while an import is tried again.
        self._key = f"strava:imported:{asked.start:%Y-%m-%dT%H}"

    def remember(self, window: Window) -> None:
        """The window is fetched and mirrored; what is left to do is to record it."""
        with answering(self._redis):
            self._redis.set(self._key, f"{window.start.isoformat()}/{window.end.isoformat()}", ex=self.LIFETIME)

    def window(self) -> Window | None:
        """The window that waits to be recorded, if there is one."""
        with answering(self._redis):
            value = self._redis.get(self._key)
        return Window(*map(datetime.fromisoformat, value.decode().split("/"))) if isinstance(value, bytes) else None

    def forget(self) -> None:
        """The window is recorded."""
        with answering(self._redis):
            self._redis.delete(self._key)


def recorded_window(asked: Window, oldest: datetime | None) -> Window:
    """The hours to record: from the day of the first activity, since before it there is nothing to say."""
    if oldest is None or oldest >= asked.end:
        return Window(max(asked.start, asked.end - 24 * HOUR), asked.end)
    return Window(max(asked.start, oldest.replace(hour=0)), asked.end)
