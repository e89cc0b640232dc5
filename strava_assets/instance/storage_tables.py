"""The names of Dagster's own tables, to tell a database that holds nothing else."""

from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

TABLES = frozenset(
    {
        "alembic_version",
        *SqlEventLogStorageMetadata.tables,
        *RunStorageSqlMetadata.tables,
        *ScheduleStorageSqlMetadata.tables,
    }
)
