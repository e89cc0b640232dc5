"""What to fetch next: what was requested, less what runs fetched or are about to; what failed in smaller pieces, later.

Pure functions of the runs' history. One hour that fails at every try must not keep its neighbours from being fetched.
`whole` are spans of which no part is fetched alone: an activity without a start may lie anywhere in one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from strava_assets.hours import Window, merge_into_windows, outside

FIRST_PAUSE = timedelta(minutes=1)
"""After the first failure; each further pause is twice as long."""

LONGEST_PAUSE = timedelta(hours=6)

LONGEST_PAUSE_OF_MANY = timedelta(minutes=15)
"""Of a window of several hours: some of them may be good."""


class Outcome(Enum):
    """How far a run is."""

    WAITING = "it is queued"
    RUNNING = "it is under way"
    FETCHED = "it succeeded"
    FAILED = "it failed, or was cancelled or killed"


class Attempt(NamedTuple):
    """A run that fetches and loads the hours of a window. Moments are UTC, None where they have not come."""

    window: Window
    outcome: Outcome
    began: datetime | None = None
    ended: datetime | None = None

    def began_after(self, moment: datetime) -> bool:
        """Whether what was true at that moment is what it sees."""
        return self.outcome is Outcome.WAITING or (self.began is not None and self.began >= moment)


def still_to_fetch(
    window: Window, since: datetime, attempts: Iterable[Attempt], whole: Sequence[Window] = ()
) -> list[Window]:
    """What of the window no run has fetched that began after `since`."""
    fetched = [each.window for each in _fetched(attempts) if each.began_after(since)]
    left = _without([window], fetched)
    if not any(each.cuts(span) for span in whole for each in left):
        return left
    return merge_into_windows((hour for each in left for hour in each.hours()), max_gap=timedelta(0), whole=whole)


def due_pieces(
    windows: Iterable[Window],
    since: datetime,
    attempts: list[Attempt],
    now: datetime,
    whole: Sequence[Window] = (),
) -> list[Window]:
    """What of the windows a run should fetch now.

    Not what is queued, or under way since later than `since`; what failed since then in halves, down to single hours,
    and after a pause that grows.
    """
    under_way = [
        each.window
        for each in attempts
        if each.outcome in {Outcome.WAITING, Outcome.RUNNING} and each.began_after(since)
    ]
    failed = _failed(attempts, since)
    pieces = [piece for window in _without(windows, under_way) for piece in _cut(window, failed, whole)]
    # What of a span is under way comes with the rest of it, later.
    pieces = [piece for piece in pieces if not any(piece.cuts(span) for span in whole)]
    return [piece for piece in pieces if now >= _not_before(piece, failed, since)]


def has_failed(window: Window, since: datetime, attempts: list[Attempt]) -> bool:
    """Whether a run failed with hours of the window, which no later one has fetched."""
    return any(each.window.overlaps(window) for each in _failed(attempts, since))


def _fetched(attempts: Iterable[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.outcome is Outcome.FETCHED]


def _failed(attempts: list[Attempt], since: datetime) -> list[Attempt]:
    """The attempts that failed since then and whose hours no later one has fetched."""
    return [
        each
        for each in attempts
        if each.outcome is Outcome.FAILED
        and each.began_after(since)
        and still_to_fetch(each.window, each.began or since, attempts)
    ]


def _cut(window: Window, failed: Iterable[Attempt], whole: Iterable[Window]) -> list[Window]:
    """The window in pieces: apart from what failed, and that in halves."""
    moments = {moment for each in failed for moment in (each.window.start, each.window.middle, each.window.end)}
    cuts = outside((moment for moment in moments if moment in window), whole)
    bounds = [window.start, *sorted(moment for moment in cuts if moment in window), window.end]
    return [Window(start, end) for start, end in pairwise(bounds) if start < end]


def _not_before(piece: Window, failed: Iterable[Attempt], since: datetime) -> datetime:
    """When a piece may be tried again."""
    ends = [each.ended or each.began or since for each in failed if each.window.overlaps(piece)]
    if not ends:
        return since
    longest = LONGEST_PAUSE if piece.is_single_hour else LONGEST_PAUSE_OF_MANY
    pause: timedelta = FIRST_PAUSE * 2 ** min(len(ends) - 1, 20)
    return max(ends) + min(pause, longest)


def _without(windows: Iterable[Window], taken: Iterable[Window]) -> list[Window]:
    """What of the windows none of the `taken` ones covers."""
    left = [window for window in windows if window.start < window.end]
    for each in taken:
        parts = [
            part
            for window in left
            for part in (
                Window(window.start, min(window.end, each.start)),
                Window(max(window.start, each.end), window.end),
            )
        ]
        left = [part for part in parts if part.start < part.end]
    return left
