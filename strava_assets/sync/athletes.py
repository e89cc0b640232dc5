"""Who is logged in, and the one loop over them: one athlete's error is noted, and the others go on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from strava_assets.errors import (
    ApplicationInactive,
    AthleteGone,
    ConfigurationError,
    RateLimitExceeded,
    ServiceUnavailable,
    StravaAssetsError,
    TransientError,
)
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete

Whom = TypeVar("Whom", Athlete, int)

OF_EVERYBODY = (ApplicationInactive, RateLimitExceeded, ServiceUnavailable)
"""Errors that the next athlete would meet as well. A wrong setting is met by each, and found out by that."""


def athletes_logged_in(client: StravaClient, only: int | None = None) -> list[Athlete]:
    """Who is logged in, or of them `only` this one. Raises ConfigurationError where that is nobody."""
    athletes = [athlete for athlete in client.athletes() if only in (None, athlete.id)]
    if not athletes:
        who = "Nobody is" if only is None else f"Athlete {only} is not"
        raise ConfigurationError(f"{who} logged in to Strava. Run: strava-assets login")
    return athletes


def each_athlete(athletes: Sequence[Whom], act: Callable[[Whom], None]) -> dict[int, StravaAssetsError]:
    """Call `act` for each athlete, in order; the errors of those for whom it failed, each saying whose it is.

    Raises errors that concern everybody at once, and an athlete's error when nobody's turn succeeded: one that may
    pass, if there is one, so that it is tried again.
    """
    errors: dict[int, StravaAssetsError] = {}
    for athlete in athletes:
        athlete_id = athlete if isinstance(athlete, int) else athlete.id
        try:
            act(athlete)
        except OF_EVERYBODY:
            raise
        except AthleteGone:
            continue  # no error, and whoever was purged must not be named any more
        except StravaAssetsError as error:
            errors[athlete_id] = error
    if errors and len(errors) == len(athletes):
        first = next(iter(errors))
        raised = next((whose for whose, error in errors.items() if isinstance(error, TransientError)), first)
        # A wrong setting is nobody's in particular.
        raise errors[raised] if isinstance(errors[raised], ConfigurationError) else _naming(errors[raised], raised)
    return {athlete_id: _naming(error, athlete_id) for athlete_id, error in errors.items()}


def _naming(error: StravaAssetsError, athlete_id: int) -> StravaAssetsError:
    """The error, with a message that says whose it is."""
    if str(athlete_id) not in str(error):
        error.args = (f"Athlete {athlete_id}: {error}", *error.args[1:])
    return error
