"""Takes out of Dagster's event log what shows an athlete's activities: previews, links to objects, errors.

Dagster keeps events for ever and offers nothing to change one, so this rewrites the stored text. It only does
so for storage in Postgres; any other is for trying things out.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._core.storage.event_log.schema import AssetKeyTable
from dagster_postgres.event_log import PostgresEventLogStorage

from strava_assets.hours import partition_key

PREVIEWS = frozenset({"preview", "window_preview"})
"""The labels of the tables of activities that `assets` attaches."""

REMOVED = "Removed."

BATCH = 500

Edit = Callable[[dict[str, Any]], bool]
"""Changes a metadata entry in place; True if it must go altogether."""


def erase_athlete(instance: dg.DagsterInstance, athlete_id: int) -> int:
    """Blank every preview, and drop what is labelled with the athlete's id; how many events that changed.

    A preview does not say whose activities it shows, so all of them are blanked; new runs make new ones.
    """
    theirs = re.compile(rf"(?:^|_){athlete_id}$")

    def edit(entry: dict[str, Any]) -> bool:
        _blank_preview(entry)
        return bool(theirs.search(entry["label"]))

    column = SqlEventLogStorageTable.c.event
    chosen = column.contains('preview"') | column.contains(f'_{athlete_id}"', autoescape=True)
    return _rewrite(instance, chosen, edit)


def erase_previews_before(instance: dg.DagsterInstance, hour: datetime) -> int:
    """Blank the previews of partitions before `hour`; how many events that changed."""

    def edit(entry: dict[str, Any]) -> bool:
        _blank_preview(entry)
        return False

    table = SqlEventLogStorageTable
    # Partition keys sort like their hours. The same table stands in the step's output event, which knows no
    # partition, and belongs to the same run.
    runs = sa.select(table.c.run_id).where(table.c.partition < partition_key(hour))
    return _rewrite(instance, table.c.event.contains('preview"') & table.c.run_id.in_(runs), edit)


def _blank_preview(entry: dict[str, Any]) -> None:
    if entry["label"] in PREVIEWS and "md_str" in entry["entry_data"]:
        entry["entry_data"]["md_str"] = REMOVED


def _rewrite(instance: dg.DagsterInstance, chosen: sa.ColumnElement[bool], edit: Edit) -> int:
    storage = instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        return 0
    events, assets = SqlEventLogStorageTable, AssetKeyTable
    changed = 0
    with storage.index_transaction() as connection:
        found = list(connection.execute(sa.select(events.c.id).where(chosen)).scalars())
        for start in range(0, len(found), BATCH):
            some = events.c.id.in_(found[start : start + BATCH])
            changed += _rewrite_rows(connection, events, events.c.event, some, edit)
        # A copy of each asset's newest materialisation.
        _rewrite_rows(connection, assets, assets.c.last_materialization, sa.true(), edit)
    return changed


def _rewrite_rows(
    connection: sa.Connection, table: sa.Table, column: sa.Column[str], some: sa.ColumnElement[bool], edit: Edit
) -> int:
    changed = 0
    for row in connection.execute(sa.select(table.c.id, column.label("stored")).where(some, column.is_not(None))).all():
        event = json.loads(row.stored)
        for entries in list(_metadata_of(event)):
            entries[:] = [entry for entry in entries if not edit(entry)]
        rewritten = json.dumps(event)
        if event != json.loads(row.stored):
            connection.execute(table.update().where(table.c.id == row.id).values({column: rewritten}))
            changed += 1
    return changed


def _metadata_of(node: object) -> Iterator[list[dict[str, Any]]]:
    """Every list of metadata entries in an event, wherever it stands."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "metadata_entries" and isinstance(value, list):
                yield value
            else:
                yield from _metadata_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from _metadata_of(value)
