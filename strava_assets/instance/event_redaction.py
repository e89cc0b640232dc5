"""Takes out of Dagster's own storage and logs what a purge or the retention setting deletes elsewhere.

Dagster keeps events, runs and ticks, and offers nothing to change one, so this rewrites what is stored: in all tables
of Dagster, in Postgres or in the files of SQLite, and in compute logs on this machine or in S3.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._core.storage.event_log.schema import AssetKeyTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from strava_assets.errors import ConfigurationError
from strava_assets.hours import partition_key
from strava_assets.instance.redaction import Redaction
from strava_assets.instance.storage_tables import TABLES
from strava_assets.postgres.compaction import compact

BATCH = 2000
"""Rows that are read at once."""


def redact(instance: dg.DagsterInstance, redaction: Redaction) -> int:
    """Take ids and previews out of all that Dagster keeps; how many texts that changed.

    Raises ConfigurationError where Dagster's storage or log manager is none that can be rewritten.
    """
    changed = 0
    for engine in databases(instance):
        with engine.begin() as connection:
            rewritten = {name: _rewrite(connection, TABLES[name], redaction) for name in _present(connection)}
        # An interrupted purge has rewritten tables, and Dagster overwrites rows itself: what was there before is there.
        is_purge = redaction.athlete_id is not None
        _compact(engine, [name for name, count in rewritten.items() if count or is_purge])
        changed += sum(rewritten.values())
    _redact_logs(instance, redaction)
    return changed


def blank_previews_before(instance: dg.DagsterInstance, hour: datetime) -> int:
    """Blank the previews of partitions before `hour`; how many events that changed. Raises what `redact` raises."""
    table, blank = SqlEventLogStorageTable, Redaction(None, ())
    # Partition keys sort like their hours. The same table stands in the step's output event, which knows no
    # partition, and belongs to the same run.
    runs = sa.select(table.c.run_id).where(table.c.partition < partition_key(hour))
    changed = 0
    for engine in databases(instance):
        with engine.begin() as connection:
            if sa.inspect(connection).has_table(table.name):
                changed += (found := _rewrite(connection, table, blank, table.c.run_id.in_(runs)))
                _rewrite(connection, AssetKeyTable, blank)
        _compact(engine, [table.name] if found else [])
    return changed


def compact_all(instance: dg.DagsterInstance) -> None:
    """Compact all of Dagster's tables, whatever was taken out of them, and when."""
    for engine in databases(instance):
        with engine.connect() as connection:
            names = _present(connection)
        _compact(engine, names)


def databases(instance: dg.DagsterInstance) -> Iterator[sa.Engine]:
    """Each database that Dagster's storage is in; none for a storage in memory."""
    urls: set[sa.URL] = set()
    for storage in (instance.event_log_storage, instance.run_storage, instance.schedule_storage):
        if isinstance(url := getattr(storage, "postgres_url", None), str):
            urls.add(sa.make_url(url))
        elif str(url := getattr(storage, "_conn_string", "")).startswith("sqlite:///"):
            urls.add(sa.make_url(str(url)))
        elif isinstance(folder := getattr(storage, "_base_dir", None), str):
            urls |= {sa.URL.create("sqlite", database=str(file)) for file in Path(folder).glob("*.db")}
        elif storage is not None and "InMemory" not in type(storage).__name__:
            raise ConfigurationError(
                f"Dagster's storage ({type(storage).__name__}) cannot be rewritten, and names athletes. Delete its "
                "runs, or keep it in Postgres: take dagster.yaml from the project."
            )
    for url in sorted(urls, key=str):
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        try:
            yield engine
        finally:
            engine.dispose()


def _present(connection: sa.Connection) -> list[str]:
    """The names of Dagster's tables that are there."""
    return sorted(TABLES.keys() & set(sa.inspect(connection).get_table_names()))


def _rewrite(
    connection: sa.Connection, table: sa.Table, redaction: Redaction, only: sa.ColumnElement[bool] | None = None
) -> int:
    """Rewrite every text of a table, a batch at a time; in how many rows something was taken out. No key is a Text."""
    texts = [column for column in table.c if isinstance(column.type, sa.Text)]
    changed, last = 0, -1
    while True:
        page = sa.select(table.c.id, *texts).where(table.c.id > last).order_by(table.c.id).limit(BATCH)
        rows = connection.execute(page if only is None else page.where(only)).all()
        for row in rows:
            stored = dict(zip(texts, row[1:], strict=True))
            redacted = {column: redaction(text) for column, text in stored.items() if text}
            if new := {column: text for column, text in redacted.items() if text != stored[column]}:
                # Unless somebody has written something newer meanwhile.
                same = [column == stored[column] for column in new]
                values = {column.name: text for column, text in new.items()}
                connection.execute(table.update().where(table.c.id == row.id, *same).values(values))
                changed += 1
        if len(rows) < BATCH:
            return changed
        last = rows[-1].id


def _compact(engine: sa.Engine, tables: Sequence[str]) -> None:
    if engine.dialect.name == "postgresql":
        compact(engine, tables)
    elif tables:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM"))
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _redact_logs(instance: dg.DagsterInstance, redaction: Redaction) -> None:
    """Put zeros in place of ids, so that a log that is being written stays as long as it is."""

    def zeroed(log: bytes) -> bytes:
        text = log.decode("utf-8", "surrogateescape")
        return redaction.of_text(text, lambda number: "0" * len(number)).encode("utf-8", "surrogateescape")

    manager = instance.compute_log_manager
    if isinstance(manager, LocalComputeLogManager):
        for file in Path(manager._base_dir).rglob("*"):
            if file.is_file() and (after := zeroed(before := file.read_bytes())) != before:
                with file.open("r+b") as log:
                    log.write(after)
    elif isinstance(manager, S3ComputeLogManager):
        client, bucket = manager._s3_session, manager._s3_bucket
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{manager._s3_prefix}/"):
            for each in page.get("Contents", []):
                before = client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
                if (after := zeroed(before)) != before:
                    client.put_object(Bucket=bucket, Key=each["Key"], Body=after)
