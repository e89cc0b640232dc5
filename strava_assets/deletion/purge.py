"""Deletes everything that is kept of an athlete, checks that nothing is left, and says how much it was.

The token goes first, so that nothing new is fetched; then objects, so that no row can be made from them again;
then rows. It can be interrupted anywhere and repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

from redis import Redis
from sqlalchemy import Engine

from strava_assets.errors import ServiceUnavailable
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion import count_of_athlete, remove_athlete
from strava_assets.raw.deletion import RawDeletion
from strava_assets.state.pending_import import forget_pending_imports
from strava_assets.state.resume_points import ResumePoints
from strava_assets.state.revocations import Revocations
from strava_assets.strava.tokens import TokenStore
from strava_assets.sync.airflow_rows import adopt_old_rows
from strava_assets.webhooks.pending_events import PendingEvents

ROUNDS = 3
"""A fetch that was under way when the token went may write once more."""


@dataclass(frozen=True)
class Data:
    """How much there is of an athlete, or was."""

    tokens: int = 0
    objects: int = 0
    """With all versions and delete markers."""
    rows: int = 0
    """Of all tables."""
    old_objects: int = 0
    """The old DAG's, with all versions."""
    notes: int = 0
    """Webhook events and resume points in Redis."""
    events: int = 0
    """Events of Dagster's that showed the athlete's activities."""

    def __add__(self, other: "Data") -> "Data":
        return Data(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __bool__(self) -> bool:
        return self != Data()

    def __str__(self) -> str:
        found = [(each.name.replace("_", " "), getattr(self, each.name)) for each in fields(self)]
        counted = (f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in found if count)
        return ", ".join(counted) or "nothing"


@dataclass(frozen=True)
class Purger:
    """Purges athletes. `forget_events` removes what Dagster's event log shows of one, and counts events."""

    engine: Engine
    objects: RawDeletion
    redis: Redis
    forget_events: Callable[[int], int]

    def kept(self, athlete_id: int) -> Data:
        """What there is of the athlete, notes, events and old objects aside, which are looked for while purging."""
        with transaction(self.engine) as connection:
            there = count_of_athlete(connection, athlete_id)
        tokens = [token for token in TokenStore(self.redis).tokens().values() if token.athlete_id == athlete_id]
        return Data(tokens=len(tokens), objects=self.objects.count(athlete_id), rows=there)

    def purge(self, athlete_id: int) -> Data:
        """Delete everything of the athlete; what that was. Raises ServiceUnavailable if something comes back."""
        tokens = TokenStore(self.redis)
        # Rows that know no athlete are found by the token, so they must be named before it goes.
        adopt_old_rows(self.engine, tokens)
        purged = Data()
        for _ in range(ROUNDS):
            purged += Data(tokens=tokens.forget(athlete_id), objects=self.objects.delete_athlete(athlete_id))
            with transaction(self.engine) as connection:
                removed = remove_athlete(connection, athlete_id)
            purged += Data(rows=removed)
            if not (left := self.kept(athlete_id)):
                break
        else:
            raise ServiceUnavailable(
                f"Of athlete {athlete_id} there is {left} again: something writes while it is deleted. "
                f"End runs that are under way, then repeat: strava-assets purge --athlete {athlete_id}"
            )
        purged += Data(
            old_objects=self.objects.delete_of_old_dag(athlete_id),
            notes=ResumePoints(self.redis).forget(athlete_id)
            + PendingEvents(self.redis).forget(athlete_id)
            + forget_pending_imports(self.redis),
            events=self.forget_events(athlete_id),
        )
        Revocations(self.redis).unmark(athlete_id)
        return purged
