"""Paging through a listing by time, as a state machine that knows no HTTP: what to ask next, what an answer brings.

Page numbers skip an activity when another is deleted in between, and a short page is not the last one
(https://developers.strava.com/docs/#Pagination). So the next request's `after` is one second before the
last start that was listed, what comes twice is dropped by id, and the end is a request that brings no new
id (an empty one, where short pages with more behind them were seen in the same listing). N activities cost
⌈N/200⌉ + 1 requests, and one more where the repeated ones add up to a page.

Where the same id comes twice with different content, the later answer wins. Pages that were delivered
cannot be recalled, so the changed version is delivered again, with the page that brought it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import floor

from strava_assets.hours import Window, floor_to_hour
from strava_assets.raw.activity import RawActivity

PER_PAGE = 200
"""Strava's maximum."""

ALL_TIME = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""The window of a listing of everything."""

REPEATS = 2
"""How often a page is asked for again that lacks what it must hold; after that it was deleted meanwhile."""

_MANY = PER_PAGE // 2
"""As many known activities on a page that brings nothing new share one second, and a next page may hold others.

Unless it is a page that this request brought before: a server that repeats itself is not asked for ever."""

CLOCK_MARGIN = timedelta(seconds=60)
"""`after` stays this far in the past: Strava answers 400 to one in the future, and no two clocks agree."""

_ENOUGH_TO_DOUBT = 10
"""Of fewer activities, none can be told to be far from the others."""

_OVERLAP = 1
"""Seconds by which requests overlap: whether Strava includes the bounds themselves is not documented."""


@dataclass(frozen=True)
class Listed:
    """An activity, and the hour whose partition it belongs to."""

    hour: datetime
    activity: RawActivity


@dataclass(frozen=True)
class Page:
    """What one request brought of the window that was not delivered yet, or that has changed since.

    Everything of the window that starts before `complete_until` has been delivered with this page; the last
    page's `complete_until` is the window's end.
    """

    activities: list[Listed]
    complete_until: datetime


UNBOUNDED = -1
"""As `after`: the request has none, and lists newest first."""


@dataclass(frozen=True)
class Request:
    """The parameters of one request; `before` None means without end."""

    after: int
    before: int | None
    page: int

    def parameters(self) -> dict[str, str | int]:
        """As the API names them. `after` makes the order oldest first."""
        parameters: dict[str, str | int] = {"per_page": PER_PAGE}
        if self.after != UNBOUNDED:
            parameters["after"] = self.after
        if self.before is not None:
            parameters["before"] = self.before
        if self.page > 1:
            parameters["page"] = self.page
        return parameters


@dataclass
class Listing:
    """One listing in progress: send `request`, give its answer to `receive`, until `request` is None."""

    window: Window | None
    now: Callable[[], datetime]
    request: Request | None = field(init=False)

    def __post_init__(self) -> None:
        self._window = self.window or ALL_TIME
        self._seen: dict[int | str, bytes] = {}
        self._tail: dict[int | str, float] = {}
        self._complete_until = self._window.start
        self._last_hour = floor_to_hour(self._window.start)
        self._repeats = 0
        self._since_after: set[int | str] = set()
        self._was_short = False
        self._is_cutting = False
        before = floor(self.window.end.timestamp()) + _OVERLAP if self.window else None
        self._first = Request(self._clamped(floor(self._window.start.timestamp()) - _OVERLAP), before, 1)
        # No `after` lies before the first second of 1970, where a clock that lost its battery starts.
        is_from_epoch = self.window is not None and self.window.start <= ALL_TIME.start
        self.request = Request(UNBOUNDED, 1, 1) if is_from_epoch else self._first

    def receive(self, activities: Sequence[RawActivity]) -> Page:
        """Take the answer to `request`: what of it is to be delivered, and decide on the next request."""
        if self.request is None:
            raise ValueError("the listing is complete: no request is open")
        lacks_seen = len(activities) < PER_PAGE and self._lacks_what_was_seen(self.request, activities)
        has_new_id = False
        listed: list[Listed] = []
        for activity in activities:
            if activity.hour is not None:
                self._last_hour = activity.hour
            is_new, is_changed = self._note(activity)
            has_new_id = has_new_id or (is_new and activity.id is not None)
            if (is_new or is_changed) and self._is_within(activity):
                listed.append(Listed(max(self._last_hour, floor_to_hour(self._window.start)), activity))
        starts = self._in_order([activity.start for activity in activities if activity.start])
        identities = {_identity(activity) for activity in activities}
        is_repeated = identities <= self._since_after
        self._since_after |= identities
        self._is_cutting = self._is_cutting or (has_new_id and self._was_short)
        self._was_short = len(activities) < PER_PAGE
        after = self.request.after
        length = 0 if is_repeated else len(activities)
        if self.request.after == UNBOUNDED:
            self.request = self._first
            return Page(listed, self._window.start)
        self.request = self._next(self.request, starts, length, has_new_id=has_new_id, lacks_seen=lacks_seen)
        if self.request and self.request.after != after:
            self._since_after.clear()
        return Page(listed, self._completed(starts))

    def _next(
        self, request: Request, starts: list[datetime], length: int, *, has_new_id: bool, lacks_seen: bool
    ) -> Request | None:
        if has_new_id:
            self._repeats = 0
            after = self._clamped(floor(starts[-1].timestamp()) - _OVERLAP) if starts else request.after
            if after > request.after:
                return Request(after, request.before, 1)
            # All of it lies within the second that was asked for. Where that fills a page, only page numbers
            # lead out of it; where not, the page may have been cut, and shows the rest when it is asked for again.
            return replace(request, page=request.page + 1) if length >= PER_PAGE else request
        if lacks_seen and self._repeats < REPEATS:
            self._repeats += 1
            return request
        return self._behind_the_end(request, starts, length)

    def _behind_the_end(self, request: Request, starts: list[datetime], length: int) -> Request | None:
        """What to ask after a page that brought nothing new, where there may be more all the same."""
        if length >= _MANY:
            return replace(request, page=request.page + 1)
        if self._is_cutting and starts:
            # Other pages of this listing were short with more behind them, so this one may be, too.
            after = self._clamped(floor(starts[-1].timestamp()))
            return Request(after, request.before, 1) if after > request.after else None
        return None

    def _completed(self, starts: list[datetime]) -> datetime:
        if self.request is None:
            self._complete_until = self._window.end
        elif starts:
            # Of the last second there may be more to come.
            reached = datetime.fromtimestamp(floor(starts[-1].timestamp()), UTC)
            self._complete_until = min(max(self._complete_until, reached), self._window.end)
        return self._complete_until

    def _note(self, activity: RawActivity) -> tuple[bool, bool]:
        """Remember the activity; whether it is new, and whether it has changed since it was seen."""
        identity = _identity(activity)
        content = hashlib.blake2b(activity.text.encode(), digest_size=16).digest()
        before = self._seen.get(identity)
        self._seen[identity] = content
        if activity.start is not None:
            self._tail[identity] = activity.start.timestamp()
        return before is None, before is not None and before != content

    def _is_within(self, activity: RawActivity) -> bool:
        """Whether the activity is of the window; one without a start, by the activity listed before it."""
        if activity.start is not None:
            return activity.start in self._window
        return self._last_hour < self._window.end

    def _in_order(self, starts: list[datetime]) -> list[datetime]:
        """The starts by which a page says how far the listing is.

        Strava sorts by what it knows; an activity may be dated into the future by a wrong clock. A last one far from
        the others is not believed: to go back behind it costs nothing, to go on from it would lose what lies between.
        """
        latest = min(self._window.end + timedelta(seconds=_OVERLAP), self.now() + CLOCK_MARGIN)
        starts = [start for start in starts if start < latest]
        if len(starts) >= _ENOUGH_TO_DOUBT and 4 * (starts[-1] - starts[-2]) > starts[-2] - starts[0] > timedelta(0):
            starts.pop()
        return starts

    def _lacks_what_was_seen(self, request: Request, activities: Sequence[RawActivity]) -> bool:
        """Whether activities are missing that the answer must hold, since they were listed before."""
        if request.page > 1:
            return False
        held = set(map(_identity, activities))
        self._tail = {identity: start for identity, start in self._tail.items() if start > request.after}
        return any(
            identity not in held and (request.before is None or start < request.before)
            for identity, start in self._tail.items()
        )

    def _clamped(self, after: int) -> int:
        return max(0, min(after, floor((self.now() - CLOCK_MARGIN).timestamp())))


def _identity(activity: RawActivity) -> int | str:
    return activity.text if activity.id is None else activity.id
