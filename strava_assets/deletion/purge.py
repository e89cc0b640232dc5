"""Deletes everything that is kept of an athlete, checks that nothing is left, and says how much it was.

The token goes first, so that nothing new is fetched; then whoever is writing is waited for, and nobody else begins to.
Objects go before rows, so that no row can be made from them again. Which ids have to go elsewhere, the rows say, and
Redis from the moment when these are deleted, so that a purge can be interrupted anywhere and repeated.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields

from redis import Redis
from sqlalchemy import Engine

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.mirror.airflow_rows import assign_airflow_rows
from strava_assets.mirror.compaction import compact_mirror
from strava_assets.mirror.database import athlete_locked, transaction
from strava_assets.mirror.deletion import count_of_athlete, delete_athlete, ids_of_athlete
from strava_assets.raw.deletion import RawDeletion
from strava_assets.state.access_evidence import EvidenceStore
from strava_assets.state.compaction import compact as compact_redis
from strava_assets.state.pending_import import delete_pending_imports
from strava_assets.state.purged_ids import PurgedIds
from strava_assets.state.reconcile_progress import ReconcileProgress
from strava_assets.state.report_links import ReportLinks
from strava_assets.state.resume_points import ResumePoints
from strava_assets.state.revocations import Revocations
from strava_assets.strava.tokens import TokenStore, further_key
from strava_assets.webhooks.pending_events import PendingEvents

STILL_HELD = (
    "Backups made before still hold it, and so may replicas, snapshots and log archives of servers that you run: "
    "see docs/terms.md."
)
"""What the owner has to know after a purge or a deletion by age."""


def _count(one: str, several: str) -> int:
    """A field with a number of things, and what one and several of them are called."""
    return field(default=0, metadata={"one": one, "several": several})


@dataclass(frozen=True)
class PurgeCounts:
    """How much there is of an athlete, or was."""

    tokens: int = _count("token", "tokens")
    objects: int = _count("object", "objects")
    """With all versions and delete markers."""
    rows: int = _count("row", "rows")
    """Of all tables."""
    old_objects: int = _count("old object", "old objects")
    """The old DAG's, with all versions."""
    redis_entries: int = _count("Redis entry", "Redis entries")
    """Webhook events, resume points and the link to the report."""
    dagster_events: int = _count("Dagster event redacted", "Dagster events redacted")
    """With all other texts of Dagster's that named the athlete or their activities."""

    def __add__(self, other: "PurgeCounts") -> "PurgeCounts":
        return PurgeCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def __bool__(self) -> bool:
        return self != PurgeCounts()

    def __str__(self) -> str:
        counts = ((getattr(self, each.name), each.metadata) for each in fields(self))
        return ", ".join(f"{n} {words['one' if n == 1 else 'several']}" for n, words in counts if n) or "nothing"


@dataclass(frozen=True)
class Purger:
    """Purges athletes.

    `redact` takes an athlete and activities, by their ids, out of what Dagster keeps, and counts texts; `redact_again`
    does so at the end, with what was written meanwhile. `compact` has embedded servers free what was in a folder
    of the S3, and its name.
    """

    engine: Engine
    objects: RawDeletion
    redis: Redis
    redact: Callable[[int, Collection[int]], int]
    redact_again: Callable[[int, Collection[int]], int]
    compact: Callable[[str], None]

    def count(self, athlete_id: int) -> PurgeCounts:
        """What there is of the athlete; Redis, Dagster and old objects aside, which are searched while purging."""
        with transaction(self.engine) as connection:
            there = count_of_athlete(connection, athlete_id)
        tokens = [token for token in TokenStore(self.redis).tokens().values() if token.athlete_id == athlete_id]
        return PurgeCounts(tokens=len(tokens), objects=self.objects.count(athlete_id), rows=there)

    def purge(self, athlete_id: int) -> PurgeCounts:
        """Delete everything of the athlete; what that was. Raises ServiceUnavailable if something comes back."""
        tokens, purged_ids = TokenStore(self.redis), PurgedIds(self.redis)
        # Rows that know no athlete are found by the token, so they must be named before it goes.
        assign_airflow_rows(self.engine, tokens.first_athlete())
        purged = PurgeCounts(tokens=len(deleted_keys := tokens.delete_athlete(athlete_id)))
        refused: ConfigurationError | None = None
        with athlete_locked(self.engine, athlete_id, by_purge=True):
            purged += PurgeCounts(
                objects=self.objects.delete_athlete(athlete_id),
                old_objects=self.objects.delete_of_old_dag(athlete_id),
                redis_entries=ResumePoints(self.redis).delete(athlete_id)
                + ReconcileProgress(self.redis).delete(athlete_id)
                + PendingEvents(self.redis).delete_athlete(athlete_id)
                + ReportLinks(self.redis).delete(athlete_id)
                + delete_pending_imports(self.redis),
            )
            with transaction(self.engine) as connection:
                ids = purged_ids.add(athlete_id, ids_of_athlete(connection, athlete_id))
            try:
                purged += PurgeCounts(dagster_events=self.redact(athlete_id, ids))
            except ConfigurationError as error:
                refused = error  # no repetition would change it, so the rest goes nevertheless
            with transaction(self.engine) as connection:
                purged += PurgeCounts(rows=delete_athlete(connection, athlete_id))
        if left := self.count(athlete_id):
            raise ServiceUnavailable(
                f"Of athlete {athlete_id} there is {left} again: something writes while it is deleted. "
                f"End what is under way, then repeat: strava-assets purge --athlete {athlete_id}"
            )
        if not refused:
            purged += PurgeCounts(dagster_events=self.redact_again(athlete_id, ids))
        compact_mirror(self.engine)
        self.compact(self.objects.folder(athlete_id))
        purged_ids.delete(athlete_id)  # they say that a purge is unfinished, and they are deleted from Redis below
        if refused:
            raise ConfigurationError(f"All else of athlete {athlete_id} is deleted. {refused}")
        for key in {*deleted_keys, further_key(athlete_id)}:  # an interrupted purge has deleted the token before
            EvidenceStore(self.redis).disprove(key)
        Revocations(self.redis).unmark(athlete_id)
        compact_redis(self.redis)
        return purged
