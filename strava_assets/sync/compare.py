"""Strava against the mirror, and the bucket too: which hours differ, and whether what vanished may be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Engine

from strava_assets.errors import StravaAssetsError
from strava_assets.hours import HOUR, Window, merge_into_windows, outside
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.differences import Differences, Known, bounded, differences, known, undated, unmirrored
from strava_assets.mirror.queries import mirrored_etags, rows_without_start, stored
from strava_assets.mirror.unlisted import Place, delete_listed, moment, waiting_deletions
from strava_assets.raw.store import RawStore
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.athletes import athletes_logged_in, each_athlete
from strava_assets.sync.deletions import Review
from strava_assets.sync.listing import Gap, ListingWithGaps, sentences

MAX_GAP = 24 * HOUR
"""Hours that differ and lie this close share a run: a run costs seconds, an hour in it milliseconds."""

MAX_WINDOWS = 24
"""More windows than that are joined across wider gaps: a history that was never imported would be hundreds of runs, and
twice as many requests."""


@dataclass
class Comparison:
    """What a comparison found, by athlete."""

    differences: dict[int, Differences] = field(default_factory=dict)
    errors: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes who could not be compared, and why."""
    left_out: Sequence[StravaAssetsError] = ()
    """Of tokens that could not be used, why."""
    held_back: dict[int, StravaAssetsError] = field(default_factory=dict)
    """Athletes who were compared, but of whom deletions wait, and why."""
    gaps: dict[int, list[Gap]] = field(default_factory=dict)
    """By athlete: hours of which Strava's answer cannot be understood, so that nothing is known of them."""
    listed: int = 0
    undated: list[Window] = field(default_factory=list)
    """Where activities without a start may lie: fetched whole or not at all, as a part may lose one or hold a copy."""

    @property
    def hours(self) -> set[datetime]:
        """The hours that differ."""
        return {hour for found in self.differences.values() for hour in found.hours}

    @property
    def windows(self) -> list[Window]:
        """The windows to fetch again so that nothing differs any more, oldest first."""
        return self.joined(MAX_WINDOWS)

    def joined(self, most: int) -> list[Window]:
        """The same in at most `most` windows, joined across wider gaps."""
        hours, gap = self.hours, MAX_GAP
        while len(merge_into_windows(hours, max_gap=gap)) > most:
            gap *= 2
        return merge_into_windows(hours, max_gap=gap, whole=self.undated)

    def pieces(self, window: Window) -> list[Window]:
        """The hours of the window that differ, in smaller ranges: each contiguous one, else the halves of one."""
        hours = {hour for hour in self.hours if hour in window}
        hours |= {hour for span in self.undated if span.start in window for hour in span.hours()}
        pieces = merge_into_windows(hours, max_gap=timedelta(0))
        if pieces == [window]:
            cuts = sorted(each for each in outside([window.middle], self.undated) if window.start < each < window.end)
            pieces = [Window(*each) for each in pairwise([window.start, *cuts, window.end])] if cuts else []
        return pieces

    @property
    def problems(self) -> list[str]:
        """What kept a part of the comparison from being made or followed, a sentence each."""
        problems = [str(error) for error in [*self.left_out, *self.errors.values(), *self.held_back.values()]]
        return problems + [
            sentence for athlete_id, gaps in self.gaps.items() for sentence in sentences(athlete_id, gaps)
        ]

    def __str__(self) -> str:
        found = [f"athlete {athlete_id}: {each}" for athlete_id, each in self.differences.items()]
        return f"{self.listed} activities listed; " + "; ".join(found + self.problems)


@dataclass(frozen=True)
class Comparer:
    """Lists a window of Strava and compares it with the mirror and the rejects: ⌈n/200⌉ + 1 requests.

    The bucket's listing is compared too, with what the mirror was made from; that costs Strava nothing.
    """

    client: StravaClient
    store: RawStore
    engine: Engine
    review: Review

    def compare(self, window: Window, confirmed: int | None = None, only: int | None = None) -> Comparison:
        """What differs, athlete by athlete.

        `confirmed` is the athlete whose deletions were confirmed, `only` the one athlete to compare. One
        athlete's error is noted and the others go on. Deletions that have to wait are noted as well, and no difference.
        Raises ConfigurationError when nobody (or not `only`) is logged in, and the error when it is everybody's.
        """
        comparison = Comparison()
        athletes = athletes_logged_in(self.client, only)
        comparison.left_out = self.client.left_out if only is None else ()
        comparison.errors = each_athlete(
            athletes,
            lambda athlete: self.compare_athlete(athlete, window, comparison, is_confirmed=athlete.id == confirmed),
        )
        return comparison

    def compare_athlete(
        self, athlete: Athlete, window: Window, comparison: Comparison, *, is_confirmed: bool = False
    ) -> None:
        """Add to `comparison` what differs of one athlete. Raises what StravaClient.activities and Review.decide do."""
        with transaction(self.engine) as connection:
            began = moment(connection)
        listed: dict[int | str, Known] = {}
        listing = ListingWithGaps(self.client, athlete, window)
        for page in listing.pages():
            listed.update(known(each.activity, each.hour) for each in page.activities)
        listed = bounded(listed, window.end)
        objects = {hour: found.etag for hour, found in self.store.objects(athlete.id, window).items()}
        with transaction(self.engine) as connection:
            here = stored(connection, athlete.id, window, listed)
            mirrored = mirrored_etags(connection, athlete.id, window)
            delete_listed(connection, athlete.id, listed, began)
        found = differences(listed, here)
        found.unmirrored = unmirrored(objects, mirrored)
        found.leave_out(lambda hour: hour not in listing)
        if listing.gaps:
            comparison.gaps[athlete.id] = listing.gaps
        self._decide_on_deletions(athlete, found, listed, comparison, is_confirmed=is_confirmed)
        comparison.undated += undated(listed, here)
        comparison.listed += len(listed)
        comparison.differences[athlete.id] = found

    def _decide_on_deletions(
        self,
        athlete: Athlete,
        found: Differences,
        listed: Mapping[int | str, Known],
        comparison: Comparison,
        *,
        is_confirmed: bool,
    ) -> None:
        """Leave in `found` only what may be deleted."""
        with transaction(self.engine) as connection:
            unknown = rows_without_start(connection, athlete.id) - listed.keys()
            is_waiting = athlete.id in waiting_deletions(connection)
        if unknown and (is_confirmed or not is_waiting):
            self.review.decide_on_all(athlete, is_confirmed=is_confirmed)
        gone = {Place(hour, key) for key, hours in found.gone.items() for hour in hours}
        verdict = self.review.decide(athlete, gone, {}, is_confirmed=is_confirmed)
        found.gone = {place.key: {place.hour} for place in gone & verdict.allowed}
        if verdict.refusal:
            comparison.held_back[athlete.id] = verdict.refusal


def make_comparer(client: StravaClient, store: RawStore, engine: Engine, max_delete_share: float) -> Comparer:
    """A Comparer with the review that decides on deletions."""
    return Comparer(client, store, engine, Review(client, engine, DeletionGuard(max_delete_share)))
