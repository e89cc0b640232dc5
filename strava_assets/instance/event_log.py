"""Dagster's Postgres storage, with the events of many partitions written in bulk.

A range of 43,800 hours writes some 175,000 events. The stock storage writes the planned ones over a
connection each, after all of them were made; this one has Postgres make them of one, and writes the others a
batch at a time, which is more than 20 times faster and gives the same rows.
dagster.yaml names it; to go back to stock, put `storage: {postgres: {postgres_url: {env:
DAGSTER_POSTGRES_URL}}}` there instead. It overrides private names, so Dagster is pinned to a minor release.
"""

import atexit
import gc
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import click
import psycopg2
from dagster import BetaWarning, DagsterEventType
from dagster._config.config_schema import UserConfigSchema
from dagster._core.definitions.partitions.subset import PartitionsSubset
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_shared.record import copy
from sqlalchemy import URL, Connection, text

from strava_assets.instance.pooled_storage import PooledEventLogStorage, PooledRunStorage, PooledScheduleStorage
from strava_assets.loopback import never_proxy_loopback
from strava_assets.settings import Settings

# That Dagster may change a parameter concerns whoever raises the pinned version, not everybody who runs a command.
warnings.simplefilter("ignore", BetaWarning)

# Dagster reads it at each event; 1 would write every materialisation of a range one by one. This module is
# imported by every process that has the storage, before its first event.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")

# Else a backfill fails for good when the daemon looks at it while the code server restarts.
os.environ.setdefault("DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR", "1")

# Dagster's processes talk to each other on this machine, by gRPC, which asks a proxy even there.
never_proxy_loopback(os.environ)

# The events of a long range are millions of small objects that live until their batch is written: looking
# for cycles among them at Python's default pace takes a quarter of the run's time.
gc.set_threshold(100_000, 50, 100)

# At the end of a process, when all goes anyway, looking for them takes most of a second.
atexit.register(gc.freeze)

BULK_EVENTS = frozenset(
    {
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_OBSERVATION,
    }
)

NO_HOUR = "\0"
"""A partition that there cannot be: Postgres has no such character."""

_INSERT_RANGE = text(
    """
    WITH stored AS (
        INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
        SELECT :run_id, replace(:event, :no_hour, spelled), :dagster_event_type, :timestamp, :step_key, :asset_key, key
        FROM unnest(CAST(:keys AS text[]), CAST(:spelled AS text[])) WITH ORDINALITY AS hours (key, spelled, position)
        ORDER BY position
        RETURNING id
    )
    SELECT max(id) FROM stored
    """
)


class BulkEventLogStorage(PooledEventLogStorage):
    """Postgres event log storage that writes each batch of partition events in one transaction."""

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Have Dagster plan a range with one event an asset, not one an hour: the hours' rows are made here."""
        return True

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event as the stock storage would."""
        if _planned_range(event):
            self._store_in_bulk([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store a batch as the stock storage would, in bulk where it only would one by one."""
        bulk = [event for event in events if event.dagster_event_type in BULK_EVENTS]
        if bulk:
            self._store_in_bulk(bulk)
        # A batch mixes planned materialisations and planned checks.
        if rest := [event for event in events if event.dagster_event_type not in BULK_EVENTS]:
            super().store_event_batch(rest)

    def _store_in_bulk(self, events: Sequence[EventLogEntry]) -> None:
        table = SqlEventLogStorageTable
        insert = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        newest = {}
        others = []
        with self.index_transaction() as connection:
            for event in events:
                if hours := _planned_range(event):
                    newest[_kind(event)] = event, self._store_range(connection, event, hours)
                else:
                    others.append(event)
            if others:
                ids = connection.scalars(insert, [self._event_to_row(_brief(event)) for event in others]).all()
                self._store_asset_event_tags(connection, others, ids)
                newest |= {_kind(event): (event, event_id) for event, event_id in zip(others, ids, strict=True)}
            # asset_keys remembers the newest event of each kind only: write that one, not each on the way.
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)

    def _store_range(self, connection: Connection, event: EventLogEntry, hours: PartitionsSubset) -> int:
        """Store a planned range as a row an hour, by which the UI finds what is under way; the last row's id.

        The rows differ in the hour alone, so Postgres makes them all of one.
        """
        planned = event.get_dagster_event()
        of_no_hour = planned.asset_materialization_planned_data._replace(partition=NO_HOUR, partitions_subset=None)
        row = self._event_to_row(event._replace(dagster_event=planned._replace(event_specific_data=of_no_hour)))
        keys = list(hours.get_partition_keys())
        filled = {"no_hour": json.dumps(NO_HOUR), "keys": keys, "spelled": [json.dumps(key) for key in keys]}
        last: int = connection.execute(_INSERT_RANGE, row | filled).scalar_one()
        return last

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """Plan a check once a run, not once an hour of it.

        The result of a check without partitions of its own has no hour: stock plans 43,800 rows for a range
        (13 s and 83 MB a check), never finds one for the result, and leaves them all planned for ever.
        """
        dagster_event = event.get_dagster_event()
        planned = copy(dagster_event.event_specific_data, partitions_subset=None)
        once = dagster_event._replace(event_specific_data=planned)
        super()._store_asset_check_evaluation_planned(event._replace(dagster_event=once), event_id)


def _brief(event: EventLogEntry) -> EventLogEntry:
    """The event without a fifth of its text, that is written with each hour of a range.

    Reading it, Dagster makes the step's handle of the node's; nothing reads the tags, which repeat run and step.
    """
    return event._replace(dagster_event=event.get_dagster_event()._replace(logging_tags={}, step_handle=None))


def _planned_range(event: EventLogEntry) -> PartitionsSubset | None:
    """The partitions, if an event plans many at once."""
    data = event.dagster_event.event_specific_data if event.dagster_event else None
    return data.partitions_subset if isinstance(data, AssetMaterializationPlannedData) else None


def _kind(event: EventLogEntry) -> tuple[object, object]:
    return event.get_dagster_event().asset_key, event.dagster_event_type


def _require_default_server(url: URL) -> None:
    """Say in one line what 50 of SQLAlchemy do not: a stock command was started without the settings.

    Raises what Dagster's commands, which are click's, show as it is.
    """
    try:
        psycopg2.connect(host=url.host, port=url.port, user=url.username, dbname="postgres", connect_timeout=5).close()
    except psycopg2.OperationalError:
        raise click.ClickException(
            f"No Postgres answers at {url.host}:{url.port}, and DATABASE_URL names no other. "
            "For the servers of `strava-assets up`, which has to run: set -a; . .local/env; set +a"
        ) from None


class BulkPostgresStorage(DagsterStorage, ConfigurableClass):
    """All of Dagster's storage in Postgres, at DAGSTER_POSTGRES_URL, with the bulk event log."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inst_data = inst_data
        self._run_storage = PooledRunStorage(postgres_url)
        self._event_log_storage = BulkEventLogStorage(postgres_url)
        self._schedule_storage = PooledScheduleStorage(postgres_url)
        for each in (self._run_storage, self._event_log_storage, self._schedule_storage):
            each.keep_connections()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Where dagster.yaml named it."""
        return self._inst_data

    @property
    def run_storage(self) -> PooledRunStorage:
        """The runs."""
        return self._run_storage

    @property
    def event_log_storage(self) -> BulkEventLogStorage:
        """The events."""
        return self._event_log_storage

    @property
    def schedule_storage(self) -> PooledScheduleStorage:
        """The ticks of schedules and sensors."""
        return self._schedule_storage

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No configuration: the URL is a setting like the others."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - Dagster's signature
    ) -> "BulkPostgresStorage":
        """What Dagster calls with dagster.yaml's `storage.custom`."""
        url = Settings.from_environment().dagster_postgres_url
        if url == Settings.from_environment({}).dagster_postgres_url:
            _require_default_server(url)
        return cls(url.render_as_string(hide_password=False), inst_data=inst_data)
