"""An athlete of the simulation and their activities, kept as exact JSON text and in the order of their starts."""

import bisect
from dataclasses import dataclass, field

from strava_assets.raw.activity import RawActivity


@dataclass
class Account:
    """One athlete and their activities by id."""

    id: int
    firstname: str
    lastname: str
    activities: dict[int, RawActivity] = field(default_factory=dict)
    by_start: list[tuple[float, int]] | None = None
    """The order, once somebody has asked for it; kept in step from then on, so that listing stays fast."""

    starts: dict[int, float] = field(default_factory=dict)
    """When an activity really started (seconds since 1970), where its JSON does not say so.

    Strava filters and sorts by what it knows, not by what it sends: a broken `start_date` moves nothing.
    """

    def ordered(self) -> list[tuple[float, int]]:
        """Start (seconds since 1970) and id of every activity, oldest first."""
        if self.by_start is None:
            self.by_start = sorted((self._start(key), key) for key in self.activities)
        return self.by_start

    def put(self, activity_id: int, raw: RawActivity, *, start: float = 0.0) -> None:
        """Add an activity, or replace the one with this id; `start` counts where nothing else says when it was."""
        if activity_id in self.activities:
            start = self._start(activity_id)
            self.remove(activity_id)
        self.activities[activity_id] = raw
        if raw.start is None:
            self.starts[activity_id] = start
        if self.by_start is not None:
            bisect.insort(self.by_start, (self._start(activity_id), activity_id))

    def remove(self, activity_id: int) -> None:
        """Remove an activity; KeyError if there is none with this id."""
        place = (self._start(activity_id), activity_id)
        del self.activities[activity_id]
        self.starts.pop(activity_id, None)
        if self.by_start is not None:
            del self.by_start[bisect.bisect_left(self.by_start, place)]

    def _start(self, activity_id: int) -> float:
        """Whole seconds, as Strava's own filter sees them."""
        start = self.activities[activity_id].start
        return start.timestamp() // 1 if start else self.starts.get(activity_id, 0.0)

    def page(
        self,
        *,
        after: int | None,
        before: int | None,
        page: int,
        per_page: int,
        with_private: bool,
        with_bounds: bool,
    ) -> list[RawActivity]:
        """A page of the list: newest first, but oldest first once `after` is given."""
        ordered = self.ordered()
        first, last = 0, len(ordered)
        if after is not None:
            first = bisect.bisect_left(ordered, (float(after) if with_bounds else after + 0.5, -1))
        if before is not None:
            last = max(first, bisect.bisect_left(ordered, (before + 0.5 if with_bounds else float(before), -1)))
        if with_private:
            chosen = _slice(ordered, first, last, page, per_page, is_oldest_first=after is not None)
            return [self.activities[key] for _, key in chosen]
        public = [each for each in ordered[first:last] if not self.activities[each[1]].fields.get("private")]
        chosen = _slice(public, 0, len(public), page, per_page, is_oldest_first=after is not None)
        return [self.activities[key] for _, key in chosen]


def _slice(
    ordered: list[tuple[float, int]], first: int, last: int, page: int, per_page: int, *, is_oldest_first: bool
) -> list[tuple[float, int]]:
    """The page's part of ordered[first:last], without a copy of all the rest."""
    skipped = (page - 1) * per_page
    if is_oldest_first:
        return ordered[min(first + skipped, last) : min(first + skipped + per_page, last)]
    return ordered[max(last - skipped - per_page, first) : max(last - skipped, first)][::-1]
