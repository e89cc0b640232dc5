"""The whole history at once: the data first, then one run that records every hour in Dagster.

Dagster writes two events an hour and asset, which for years takes far longer than fetching the
activities. So an import fetches, writes the raw objects and mirrors them page by page, and only then has
one run of the whole range record what is there (`assets.FETCHED_TAG`), without another API request.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from strava_assets.hours import HOUR, Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.load import Loaded, load_snapshots
from strava_assets.raw.snapshot import HourSnapshot
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.fetch import Etags, Fetched, Fetcher, Hours


@dataclass
class Progress:
    """How far an import is, for people to look at."""

    athlete: Athlete | None = None
    pages: int = 0
    activities: int = 0
    reached: datetime | None = None
    loaded: Loaded = field(default_factory=Loaded)


def import_history(
    fetcher: Fetcher, window: Window, on_progress: Callable[[Progress], None]
) -> tuple[Fetched, Progress]:
    """Fetch a window and make it queryable at once, page by page, oldest first.

    Safe to interrupt and to repeat: what is written is not fetched again. Raises what `Fetcher.fetch` raises.
    """
    progress = Progress()

    def make_queryable(athlete: Athlete, hours: Hours, etags: Etags) -> None:
        now = datetime.now(UTC)
        snapshots = (HourSnapshot(hour, now, etags[hour], activities) for hour, activities in hours.items())
        with transaction(fetcher.engine) as connection:
            loaded = load_snapshots(connection, athlete.id, snapshots, fetcher.review.guard)
        progress.athlete = athlete
        progress.pages += 1
        progress.activities += sum(map(len, hours.values()))
        progress.loaded += loaded
        busy = [hour for hour, activities in hours.items() if activities]
        progress.reached = max(busy, default=progress.reached)
        on_progress(replace(progress))

    return replace(fetcher, on_hours=make_queryable).fetch(window), progress


YEAR = timedelta(days=366)


def recorded_windows(requested: Window, days: Collection[date]) -> list[Window]:
    """The hours to record: the years with activities, and the last hours.

    All from the first requested hour on, so that every hour is filled; but where nothing happened for more than a year,
    from the first activity's day.

    Dagster writes two events an hour: 50 empty years before a single activity would be most of its database.
    """
    first_day = datetime.combine(min(days), time(), UTC) if days else requested.end
    start = requested.start if first_day - requested.start <= YEAR else first_day
    years = {day.year for day in days} | set(range(start.year, first_day.year))
    windows = [Window(max(requested.start, requested.end - 24 * HOUR), requested.end)]
    for year in sorted(years, reverse=True):
        of_year = Window(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
        first, end = max(start, of_year.start), min(of_year.end, requested.end)
        if end >= windows[0].start:
            windows[0] = Window(min(first, windows[0].start), windows[0].end)
        elif first < end:
            windows.insert(0, Window(first, end))
    return windows
