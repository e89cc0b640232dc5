"""The safety limit for deletions: how many rows may go at once without a confirmation."""

from dataclasses import dataclass

from strava_assets.errors import TooManyDeletions

MIN_DELETIONS_GUARDED = 5
"""Up to this many deletions never need a confirmation, however few rows the athlete has."""


@dataclass(frozen=True)
class DeletionGuard:
    """How many of an athlete's activities may be deleted at once without a confirmation.

    Losing the permission to read private activities looks just like a mass deletion.
    """

    max_share: float

    def refusal(self, athlete_id: int, deletions: int, activities: int) -> TooManyDeletions | None:
        """Why `deletions` of this number, out of `activities`, wait for a confirmation; None if they do not."""
        if deletions <= max(MIN_DELETIONS_GUARDED, self.max_share * activities):
            return None
        return TooManyDeletions(
            f"Strava no longer lists {deletions} of athlete {athlete_id}'s {activities} activities; these deletions "
            f"wait, everything else goes on. If they are right, run: strava-assets reconcile --athlete {athlete_id} "
            f"--confirm-deletions. If not, log in again: strava-assets login.",
            athlete_id,
        )
