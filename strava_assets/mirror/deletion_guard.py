"""The safety limit for deletions: how many rows may go at once without a confirmation."""

from dataclasses import dataclass

from strava_assets.errors import TooManyDeletions


@dataclass(frozen=True)
class DeletionGuard:
    """How many of an athlete's rows may be deleted at once without a confirmation.

    Losing the permission to read private activities looks just like a mass deletion.
    """

    max_share: float
    confirmed: bool = False
    deleted_before: int = 0
    """Rows that earlier loads of the same run deleted: many small steps must not add up unseen."""

    def check(self, athlete_id: int, deletions: int, rows: int) -> None:
        """Raise TooManyDeletions if so many `deletions` out of `rows` need a confirmation."""
        deletions, rows = deletions + self.deleted_before, rows + self.deleted_before
        if self.confirmed or deletions <= max(MIN_DELETIONS_GUARDED, self.max_share * rows):
            return
        raise TooManyDeletions(
            f"Strava no longer lists {deletions} of athlete {athlete_id}'s {rows} activities; nothing was deleted. "
            f"If that is right, run: strava-assets reconcile --athlete {athlete_id} --confirm-deletions. "
            f"If not, log in again: strava-assets login.",
            athlete_id,
        )


MIN_DELETIONS_GUARDED = 5
"""Up to this many deletions never need a confirmation, however few rows the athlete has."""
