"""What a listing lacks: gone, moved, or only missing from that answer? Nothing is deleted before this is decided.

A listing can be wrong: `200 []`, a page missing in its middle, private activities that a login may no longer read. So
an activity leaves its raw object, and its row the table, only after the athlete's whole listing was read as well, and
the deletion guard has seen all that it lacks, and Strava says of some of them that they are gone. An activity that is
in another hour now has moved, which is no deletion. What is decided is kept (`mirror/unlisted.py`), for a day.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine

from strava_assets.errors import DecisionPutOff, MalformedPage, RateLimitExceeded, StravaAssetsError
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction, wait_for_other_loads
from strava_assets.mirror.deletion import delete_rows
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.queries import rows_without_start, stored
from strava_assets.mirror.unlisted import Place, decide, decided, set_starts
from strava_assets.raw.activity import activity_key
from strava_assets.strava.client import StravaClient
from strava_assets.strava.pagination import ALL_TIME
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.listing import ListingWithGaps
from strava_assets.sync.presence import while_logged_in

SAMPLE = 5
"""How many of what the whole listing lacks are requested one by one: they show whether a page is missing."""

EPOCH = Window.of(ALL_TIME.start, ALL_TIME.start)

EVER = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass
class Verdict:
    """Which activities may leave which hours, and why others may not; None where all may."""

    allowed: set[Place] = field(default_factory=set)
    refusal: StravaAssetsError | None = None


@dataclass(frozen=True)
class Review:
    """Decides on deletions: asks Strava for the athlete's whole history unless it was decided lately."""

    client: StravaClient
    engine: Engine
    guard: DeletionGuard

    def decide(
        self,
        athlete: Athlete,
        lost: Collection[Place],
        listed: Mapping[int | str, datetime],
        *,
        is_confirmed: bool = False,
    ) -> Verdict:
        """Whether the `lost` may be deleted from their hours; `listed` is in which hour the same listing has others.

        Raises what StravaClient.activities raises, DecisionPutOff for RateLimitExceeded; nothing may be deleted then.
        """
        moved = {place for place in lost if listed.get(place.key, place.hour) != place.hour}
        if not (rest := set(lost) - moved):
            return Verdict(moved)
        with transaction(self.engine) as connection:
            known = decided(connection, athlete.id)
            activities = len(stored(connection, athlete.id, EVER, ()))
        allowed = {place for place in rest if known.get((place.hour, str(place.key)))}
        if allowed == rest:
            return Verdict(moved | allowed)
        waiting = self.guard.refusal(
            athlete.id, sum(not may_be_deleted for may_be_deleted in known.values()), activities
        )
        if waiting and not is_confirmed and all((place.hour, str(place.key)) in known for place in rest):
            return Verdict(moved | allowed, waiting)
        try:
            return self.decide_on_all(athlete, rest, moved, is_confirmed=is_confirmed)
        except RateLimitExceeded as error:
            raise DecisionPutOff(str(error), error.until) from None

    def decide_on_all(
        self,
        athlete: Athlete,
        lost: Collection[Place] = (),
        moved: Collection[Place] = (),
        *,
        is_confirmed: bool = False,
    ) -> Verdict:
        """Read the athlete's whole listing, decide on everything here that it lacks, and remember it.

        Rows of the Airflow DAG that have no start get the one that Strava lists, or are deleted as any other.
        """
        with transaction(self.engine) as connection:
            without_start = rows_without_start(connection, athlete.id)
        listing = ListingWithGaps(self.client, athlete, None)
        whole: dict[int | str, datetime] = {}
        starts: dict[int, datetime] = {}
        for page in listing.pages():
            for each in page.activities:
                key = activity_key(each.activity)
                whole[key] = each.hour
                if key in without_start and isinstance(key, int) and each.activity.start:
                    starts[key] = each.activity.start
        with transaction(self.engine) as connection:
            here = stored(connection, athlete.id, EVER, ())
        places = {*lost, *(Place(known.hour, key) for key, known in here.items())}
        if any(place.hour == EPOCH.start for place in places):  # whose first second a listing of everything lacks
            for page in ListingWithGaps(self.client, athlete, EPOCH).pages():
                whole.update((activity_key(each.activity), each.hour) for each in page.activities)
        gone = {place for place in places if place.key not in whole and place.hour in listing}
        now_elsewhere = {place for place in places if whole.get(place.key, place.hour) != place.hour}
        never = without_start - whole.keys()
        keys = {place.key for place in gone} | never
        count = len(here.keys() | keys | without_start)
        too_many = None if is_confirmed else self.guard.refusal(athlete.id, len(keys), count)
        refusal = too_many or self._incomplete(athlete, sorted(key for key in keys if isinstance(key, int)))
        waiting = gone | {Place(EVER.start, key) for key in never} if too_many else set()
        allowed = {*moved, *now_elsewhere} if refusal else {*moved, *now_elsewhere, *gone}
        with while_logged_in(self.engine, self.client, athlete), transaction(self.engine) as connection:
            wait_for_other_loads(connection, athlete.id)
            set_starts(connection, athlete.id, starts)
            decide(connection, athlete.id, allowed, waiting)
            if not refusal:
                delete_rows(connection, athlete.id, never)
        return Verdict(allowed, refusal or _contradiction(athlete, set(lost) - allowed))

    def _incomplete(self, athlete: Athlete, gone: Sequence[int]) -> MalformedPage | None:
        """The error for a listing that lacks what Strava still has; None if those of the `gone` asked for are gone."""
        sample = gone[:: max(1, len(gone) // SAMPLE)][:SAMPLE]
        alive = [activity_id for activity_id in sample if self.client.activity(athlete, activity_id)]
        if not alive:
            return None
        return MalformedPage(
            f"Strava's listing lacks {len(gone)} activities of athlete {athlete.id}, but Strava still has "
            f"{', '.join(map(str, alive))}: nothing is deleted on such evidence. The next comparison checks again."
        )


def _contradiction(athlete: Athlete, kept: Collection[Place]) -> MalformedPage | None:
    """The error for a listing of some hours that lacks what the whole listing has in them."""
    if not kept:
        return None
    return MalformedPage(
        f"Strava's listing of some hours lacked {len(kept)} activities of athlete {athlete.id} that its whole listing "
        "has in them: they are kept. The next comparison checks again."
    )
