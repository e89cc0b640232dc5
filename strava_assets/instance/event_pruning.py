"""Deletes the step-by-step events of old runs from Dagster's event log; what they materialised stays known.

Dagster itself deletes only old ticks, and deleting a run also loses which partitions it materialised. Half of a run's
events say nothing about assets: those can be deleted once nobody needs the run's timeline any more.
"""

from datetime import UTC, datetime

import dagster as dg
import sqlalchemy as sa
from dagster import DagsterEventType as Event
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster_postgres.event_log import PostgresEventLogStorage

from strava_assets.errors import ConfigurationError

STEP_BY_STEP = frozenset(
    {
        Event.STEP_WORKER_STARTING,
        Event.STEP_WORKER_STARTED,
        Event.STEP_START,
        Event.STEP_SUCCESS,
        Event.STEP_SKIPPED,
        Event.STEP_INPUT,
        Event.STEP_OUTPUT,
        Event.STEP_RESTARTED,
        Event.STEP_UP_FOR_RETRY,
        Event.RESOURCE_INIT_STARTED,
        Event.RESOURCE_INIT_SUCCESS,
        Event.LOADED_INPUT,
        Event.HANDLED_OUTPUT,
        Event.OBJECT_STORE_OPERATION,
        Event.ASSET_STORE_OPERATION,
        Event.ENGINE_EVENT,
        Event.HOOK_COMPLETED,
        Event.HOOK_SKIPPED,
        Event.LOGS_CAPTURED,
    }
)
"""What goes, with plain log messages, which have no type. Assets, checks, failures and how a run ended stay."""


def prune_events(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the step by step events of runs that ended, as far as they are older; how many those were.

    The space is used again by new events; only Postgres' own VACUUM FULL gives it back to the disk. Raises
    ConfigurationError where Dagster's storage is not in Postgres.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        raise ConfigurationError(
            "Dagster's storage is not in Postgres. Take dagster.yaml from the project, or set DAGSTER_HOME."
        )
    running = instance.get_run_ids(filters=dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))
    events = SqlEventLogStorageTable.c
    old = [
        # Dagster stores naive UTC.
        events.timestamp < before.astimezone(UTC).replace(tzinfo=None),
        sa.or_(
            events.dagster_event_type.is_(None), events.dagster_event_type.in_([each.value for each in STEP_BY_STEP])
        ),
        events.run_id.not_in(running),
    ]
    with storage.index_transaction() as connection:
        return connection.execute(SqlEventLogStorageTable.delete().where(*old)).rowcount
