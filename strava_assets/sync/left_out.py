"""What of an athlete's history lies before the first partition, and so is neither imported nor compared."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from strava_assets.errors import StravaAssetsError
from strava_assets.hours import Window
from strava_assets.strava.client import StravaClient
from strava_assets.strava.pagination import ALL_TIME, PER_PAGE
from strava_assets.strava.tokens import Athlete


@dataclass(frozen=True)
class LeftOut:
    """How many activities start before `start`, at least, and the UTC date of the first."""

    count: int
    first: date
    start: date
    is_all: bool = True
    """Whether there are no more than `count`."""

    @property
    def hours(self) -> int:
        """How many partitions more there are with the date that includes everything."""
        return (self.start - self.first).days * 24

    def __str__(self) -> str:
        number = f"{self.count:,}{'' if self.is_all else ' or more'}"
        start, are = (
            ("activity starts", "is") if (self.count, self.is_all) == (1, True) else ("activities start", "are")
        )
        return (
            f"{number} {start} before STRAVA_START_DATE={self.start} and {are} left out of imports and comparisons. "
            f"To include everything, set STRAVA_START_DATE={self.first} in .env, restart, and run: strava-assets import"
            f". Dagster then has {self.hours:,} more hours of each asset; an import records those of years with "
            "activities."
        )


def left_out(client: StravaClient, athlete: Athlete, window: Window) -> LeftOut | None:
    """What starts in `window`, which ends where the partitions begin; None where nothing does.

    One API request, and two more where it brings a full page. Raises what StravaClient.activities does.
    """
    starts = [each.start for each in client.latest(athlete, window.end) if each.start and each.start in window]
    if not starts:
        return None
    is_all, oldest = len(starts) < PER_PAGE, min(starts)
    if not is_all:
        listed = (each.activity.start for page in client.activities(athlete, window) for each in page.activities)
        oldest = next(filter(None, listed), oldest)
    return LeftOut(len(starts), oldest.astimezone(UTC).date(), window.end.date(), is_all)


def all_left_out(client: StravaClient, start: datetime, oldest_kept: datetime | None = None) -> list[str]:
    """A sentence for each athlete with activities before `start` that the retention setting would keep."""
    since = max(ALL_TIME.start, oldest_kept or ALL_TIME.start)
    if since >= start:
        return []
    lines = []
    for athlete in client.athletes():
        try:
            if found := left_out(client, athlete, Window(since, start)):
                lines.append(f"Athlete {athlete.id}: {found}")
        except StravaAssetsError as error:
            lines.append(
                f"Athlete {athlete.id}: whether activities start before STRAVA_START_DATE={start.date()} is not known: "
                f"{error}"
            )
    return lines
