"""Strava against the mirror, and the bucket too: which hours differ, and whether what vanished may be believed."""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from strava_assets.errors import AthleteError, ConfigurationError
from strava_assets.hours import HOUR, Window, merge_into_windows
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.differences import Differences, Known, bounded, differences, known, undated, unmirrored
from strava_assets.mirror.queries import count_rows, mirrored_etags, stored
from strava_assets.raw.store import RawStore
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete

MAX_GAP = 24 * HOUR
"""Hours that differ and lie this close share a run: a run costs seconds, an hour in it milliseconds."""


@dataclass
class Comparison:
    """What a comparison found, by athlete."""

    differences: dict[int, Differences] = field(default_factory=dict)
    errors: dict[int, AthleteError] = field(default_factory=dict)
    listed: int = 0
    undated: list[Window] = field(default_factory=list)
    """Where activities without a start may lie: fetched whole or not at all, as a part may lose one or hold a copy."""

    @property
    def windows(self) -> list[Window]:
        """The windows to fetch again so that nothing differs any more, oldest first."""
        hours = {hour for found in self.differences.values() for hour in found.hours}
        windows = merge_into_windows(hours, max_gap=MAX_GAP)
        while cut := [span for span in self.undated if any(window.cuts(span) for window in windows)]:
            hours.update(hour for span in cut for hour in span.hours())
            windows = merge_into_windows(hours, max_gap=MAX_GAP)
        return windows

    def __str__(self) -> str:
        found = [f"athlete {athlete_id}: {each}" for athlete_id, each in self.differences.items()]
        return f"{self.listed} activities listed; " + "; ".join(found + [str(each) for each in self.errors.values()])


@dataclass(frozen=True)
class Comparer:
    """Lists a window of Strava and compares it with the mirror and the rejects: ⌈n/200⌉ + 1 requests.

    The bucket's listing is compared too, with what the mirror was made from; that costs Strava nothing.
    """

    client: StravaClient
    store: RawStore
    engine: Engine
    max_delete_share: float

    def compare(self, window: Window, confirmed: int | None = None, only: int | None = None) -> Comparison:
        """What differs, athlete by athlete.

        `confirmed` is the athlete whose deletions were confirmed, `only` the one athlete to look at. One
        athlete's trouble, too many deletions among them, is noted and the others go on. Raises ConfigurationError when
        nobody (or not `only`) is logged in, and the trouble when it is everybody's.
        """
        comparison = Comparison()
        athletes = [athlete for athlete in self.client.athletes() if only in (None, athlete.id)]
        if not athletes:
            who = "Nobody is" if only is None else f"Athlete {only} is not"
            raise ConfigurationError(f"{who} logged in to Strava. Run: strava-assets login")
        for athlete in athletes:
            try:
                self._compare_athlete(athlete, window, comparison, is_confirmed=athlete.id == confirmed)
            except AthleteError as trouble:
                comparison.errors[athlete.id] = trouble
        if len(comparison.errors) == len(athletes):
            raise next(iter(comparison.errors.values()))
        return comparison

    def _compare_athlete(self, athlete: Athlete, window: Window, comparison: Comparison, *, is_confirmed: bool) -> None:
        listed: dict[int | str, Known] = {}
        for page in self.client.activities(athlete, window):
            listed.update(known(each.activity, each.hour) for each in page.activities)
        listed = bounded(listed, window.end)
        objects = {hour: found.etag for hour, found in self.store.objects(athlete.id, window).items()}
        with transaction(self.engine) as connection:
            here = stored(connection, athlete.id, window, listed)
            rows = count_rows(connection, athlete.id)
            mirrored = mirrored_etags(connection, athlete.id, window)
        comparison.undated += undated(listed, here)
        found = differences(listed, here)
        found.unmirrored = unmirrored(objects, mirrored)
        DeletionGuard(self.max_delete_share, is_confirmed).check(athlete.id, len(found.gone), rows)
        comparison.listed += len(listed)
        comparison.differences[athlete.id] = found
