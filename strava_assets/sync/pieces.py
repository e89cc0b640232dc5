"""What fails as a whole is tried again in smaller pieces, down to the single hours that are to blame."""

from collections.abc import Callable, Sequence
from datetime import datetime

from strava_assets.errors import StravaAssetsError, TransientError


def in_pieces(
    hours: Sequence[datetime],
    act: Callable[[Sequence[datetime]], None],
    splittable: tuple[type[StravaAssetsError], ...],
) -> dict[datetime, StravaAssetsError]:
    """Call `act` on all the hours; where it raises a `splittable` error, on their halves. The failed hours, and why.

    Raises the error where single hours are not to blame: all of them fail, or two in a row with one that may pass.
    """
    failed: dict[datetime, StravaAssetsError] = {}
    has_just_failed = False

    def attempt(piece: Sequence[datetime]) -> None:
        nonlocal has_just_failed
        try:
            act(piece)
            has_just_failed = False
        except splittable as error:
            if len(piece) <= 1:
                if len(hours) == 1 or (has_just_failed and isinstance(error, TransientError)):
                    raise
                has_just_failed = True
                failed[piece[0]] = error
                return
            for half in (piece[: len(piece) // 2], piece[len(piece) // 2 :]):
                attempt(half)

    attempt(hours)
    if failed and len(failed) == len(hours):
        raise next(iter(failed.values()))
    return failed
