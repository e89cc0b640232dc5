"""The comparison of the whole history, athlete by athlete, in as many tries as Strava's rate limit makes of it.

Each listing costs a request per 200 activities. What one try compared counts for the next, so that ten athletes, or one
with many activities of whom some were deleted, are done after some 15-minute periods and not begun anew in each.
"""

from dataclasses import dataclass
from functools import partial

from strava_assets.errors import DecisionPutOff
from strava_assets.hours import Window
from strava_assets.state.reconcile_progress import ReconcileProgress, Step
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.athletes import athletes_logged_in, each_athlete
from strava_assets.sync.compare import Comparer, Comparison


@dataclass(frozen=True)
class Reconciliation:
    """Compares all athletes, except those that an earlier try has compared."""

    comparer: Comparer
    progress: ReconcileProgress

    def run(self, window: Window, found: Comparison) -> None:
        """Add to `found` what differs, which holds as far as it got where this raises RateLimitExceeded.

        Raises what Comparer.compare raises.
        """
        athletes = athletes_logged_in(self.comparer.client)
        found.left_out = self.comparer.client.left_out
        found.errors = each_athlete(athletes, partial(self._compare, window, found))
        self.progress.clear()

    def _compare(self, window: Window, found: Comparison, athlete: Athlete) -> None:
        step = self.progress.of(athlete.id)
        if step is Step.COMPARED:
            return
        if step is Step.UNDECIDED:
            # Alone, it fits into the requests of 15 minutes; what is decided holds for a day.
            self.comparer.review.decide_on_all(athlete)
            self.progress.put(athlete.id, Step.DECIDED)
        try:
            self.comparer.compare_athlete(athlete, window, found)
        except DecisionPutOff:
            self.progress.put(athlete.id, Step.UNDECIDED)
            raise
        self.progress.put(athlete.id, Step.COMPARED)
