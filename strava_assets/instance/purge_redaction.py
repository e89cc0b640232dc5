"""Redacts for a purge: at once, and again once everything has ended that was under way and may have named the athlete.

A run writes its events when a step ends, a tick its message when it is over: after the first redaction, perhaps.
"""

import time
from collections.abc import Collection

import dagster as dg
import sqlalchemy as sa
from dagster._core.launcher import WorkerStatus
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.schedules.schema import JobTickTable

from strava_assets.errors import ServiceUnavailable
from strava_assets.instance.event_redaction import databases, redact
from strava_assets.instance.redaction import Redaction
from strava_assets.instance.run_launcher import HealthCheckingRunLauncher

PATIENCE = 600.0
"""Seconds that runs are waited for; an import records its hours in one or two minutes."""

TICK_PATIENCE = 90.0
"""Seconds that ticks are waited for: Dagster ends them after 60. One whose daemon died stays "started" for longer."""

HAS_BEGUN = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
"""The statuses of a run that may write; one that is queued will find nothing of the athlete."""


class PurgeRedaction:
    """Takes an athlete and activities, by their ids, out of what Dagster keeps, and counts texts."""

    def __init__(self, instance: dg.DagsterInstance, own_run_id: str | None = None) -> None:
        """`own_run_id` is the run that purges."""
        self._instance = instance
        self._own_run_id = own_run_id
        self._late: set[str] = set()

    def at_once(self, athlete_id: int, activity_ids: Collection[int]) -> int:
        """Redact what there is. Raises what `redact` raises."""
        self._late |= self._runs() | self._ticks()
        return redact(self._instance, Redaction(athlete_id, activity_ids))

    def at_the_end(self, athlete_id: int, activity_ids: Collection[int]) -> int:
        """Wait for what was under way meanwhile, and redact again; nothing to do where nothing was.

        Raises ServiceUnavailable if a run takes too long.
        """
        self._late |= self._runs() | self._ticks()
        if not self._late:
            return 0
        left = self._wait()
        changed = redact(self._instance, Redaction(athlete_id, activity_ids))
        if left:
            raise ServiceUnavailable(
                f"All of athlete {athlete_id} is deleted, but runs are under way that may name them when they end "
                f"({', '.join(sorted(left))}). End them, then repeat: strava-assets purge --athlete {athlete_id}"
            )
        return changed

    def _wait(self) -> set[str]:
        """Return once all of that has ended; the runs that have not in time."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < PATIENCE:
            ticks = self._ticks() if waited < TICK_PATIENCE else set[str]()
            if not self._late & (self._runs() | ticks):
                return set()
            time.sleep(0.5)
        return self._late & self._runs()

    def _runs(self) -> set[str]:
        """The runs, of others, on which somebody works."""
        runs = self._instance.get_runs(filters=dg.RunsFilter(statuses=HAS_BEGUN))
        return {run.run_id for run in runs if run.run_id != self._own_run_id and not self._is_dead(run)}

    def _is_dead(self, run: dg.DagsterRun) -> bool:
        launcher = self._instance.run_launcher
        if not isinstance(launcher, HealthCheckingRunLauncher):
            return False  # not known
        return launcher.check_run_worker_health(run).status is WorkerStatus.FAILED

    def _ticks(self) -> set[str]:
        """The ticks of sensors and schedules that have begun."""
        found: set[str] = set()
        for engine in databases(self._instance):
            with engine.connect() as connection:
                if sa.inspect(connection).has_table(JobTickTable.name):
                    begun = sa.select(JobTickTable.c.id).where(JobTickTable.c.status == TickStatus.STARTED.value)
                    found |= {f"tick {tick_id}" for tick_id in connection.execute(begun).scalars()}
        return found
