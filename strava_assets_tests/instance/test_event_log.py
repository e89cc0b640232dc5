"""The bulk event log against Dagster's own: the same run must leave the same rows."""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.events.log import EventLogEntry
from dagster._core.instance import InstanceRef
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy import create_engine, make_url, text

from strava_assets.instance.event_log import BulkEventLogStorage, BulkPostgresStorage

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00", end_date="2026-01-02-00:00")
STOCK = {"storage": {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}}
BULK = {
    "storage": {"custom": {"module": "strava_assets.instance.event_log", "class": "BulkPostgresStorage", "config": {}}}
}


@dg.asset(partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
def first() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 1})


@dg.asset(
    partitions_def=HOURS,
    deps=[first],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("fine", asset="second")],
)
def second() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset(partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
def broken() -> None:
    raise dg.Failure("broken")


def tables_after_a_run(configuration: dict[str, Any], url: str, home: Path, assets: list[Any]) -> dict[str, list[Any]]:
    """What a run of ten hours leaves in the event log's tables, but for ids, times and hashes of run ids."""
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=configuration)) as instance:
        dg.materialize(
            assets,
            instance=instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": "2026-01-01-02:00",
                "dagster/asset_partition_range_end": "2026-01-01-11:00",
            },
        )
        status = {
            asset.key.to_user_string(): sorted(instance.get_materialized_partitions(asset.key)) for asset in assets
        }
    with engine.connect() as connection:
        rows = {
            "events": connection.execute(
                text(
                    "SELECT dagster_event_type, step_key, asset_key, partition, "
                    "CASE WHEN dagster_event_type LIKE '%PLANNED' THEN event::jsonb -> 'dagster_event' END "
                    "FROM event_logs WHERE dagster_event_type LIKE 'ASSET%' ORDER BY id"
                )
            ).all(),
            "asset_keys": connection.execute(
                text(
                    "SELECT asset_key, last_materialization IS NULL, "
                    "cached_status_data IS NULL FROM asset_keys ORDER BY 1"
                )
            ).all(),
            "tags": connection.execute(
                text(
                    "SELECT asset_key, key, value FROM asset_event_tags "
                    "WHERE key NOT LIKE '%data_version%' ORDER BY 1, 2, 3"
                )
            ).all(),
            "checks": connection.execute(
                text(
                    "SELECT asset_key, check_name, partition, execution_status "
                    "FROM asset_check_executions ORDER BY 1, 2, 3"
                )
            ).all(),
            "materialised": sorted(status.items()),
        }
    engine.dispose()
    return {name: list(found) for name, found in rows.items()}


@pytest.fixture
def dagster_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", database_url)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    return database_url


@pytest.mark.parametrize("assets", [[first, second], [first, broken]], ids=["succeeds", "fails"])
def test_a_range_run_leaves_the_rows_that_the_stock_storage_leaves(dagster_url: str, tmp_path: Path, assets: list[Any]):
    stock = tables_after_a_run(STOCK, dagster_url, tmp_path, assets)
    bulk = tables_after_a_run(BULK, dagster_url, tmp_path, assets)
    # The one difference: see the next test.
    stock_checks, bulk_checks = stock.pop("checks"), bulk.pop("checks")
    assert bulk == stock
    assert {row[:2] for row in bulk_checks} == {row[:2] for row in stock_checks}
    assert len(bulk["events"]) > 20


def test_what_a_range_materialises_is_read_back_as_from_the_stock_storage_in_less_text(
    dagster_url: str, tmp_path: Path
):
    tables_after_a_run(BULK, dagster_url, tmp_path, [first])
    run_id = _only_run(dagster_url)
    bulk, stock = BulkEventLogStorage(dagster_url), PostgresEventLogStorage(dagster_url, should_autocreate_tables=False)
    of_kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    (written, *_) = (record.event_log_entry for record in bulk.get_records_for_run(run_id, of_type=of_kind).records)
    tags = {"op_name": "first", "step_key": "first", "run_id": run_id}
    made = written._replace(dagster_event=written.get_dagster_event()._replace(logging_tags=tags))
    for storage in (stock, bulk):
        storage.store_event_batch([made])
    *_, of_stock, of_bulk = (
        record.event_log_entry.get_dagster_event()
        for record in bulk.get_records_for_run(run_id, of_type=of_kind).records
    )
    assert of_stock.step_handle is not None
    assert of_bulk == of_stock._replace(logging_tags={})
    engine = create_engine(make_url(dagster_url))
    with engine.connect() as connection:
        lengths = text("SELECT length(event) FROM event_logs WHERE partition IS NOT NULL ORDER BY id DESC LIMIT 2")
        short, long = connection.scalars(lengths)
    engine.dispose()
    assert short < long - 150


def test_a_check_without_hours_is_planned_once_and_finds_its_plan(dagster_url: str, tmp_path: Path):
    checks = tables_after_a_run(BULK, dagster_url, tmp_path, [first, second])["checks"]
    assert checks == [('["second"]', "fine", None, "SUCCEEDED")]


def test_a_batch_is_written_wholly_or_not_at_all(dagster_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tables_after_a_run(BULK, dagster_url, tmp_path, [first])
    storage = BulkEventLogStorage(dagster_url)
    before = storage.get_maximum_record_id()
    events = [record.event_log_entry for record in storage.get_records_for_run(_only_run(dagster_url)).records]
    planned = [event for event in events if event.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION]

    def hang_up(*_: object) -> None:
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(storage, "_store_asset_event", hang_up)
    with pytest.raises(ConnectionError):
        storage.store_event_batch(planned)
    assert storage.get_maximum_record_id() == before


def test_any_partition_of_a_planned_range_is_read_back_as_it_is_named(dagster_url: str, tmp_path: Path):
    names = ['a "quoted" one', "back\\slash", "Zürich", "2026-01-01-02:00", "null"]
    odd = dg.AssetKey("odd")
    planned = AssetMaterializationPlannedData(odd, partitions_subset=DefaultPartitionsSubset(set(names)))
    tables_after_a_run(BULK, dagster_url, tmp_path, [first])
    run_id = _only_run(dagster_url)
    event = DagsterEvent.build_asset_materialization_planned_event("job", "step", planned)
    storage = BulkEventLogStorage(dagster_url)
    entry = EventLogEntry(None, "debug", "", run_id, 1.0, dagster_event=event)  # type: ignore[no-untyped-call]
    storage.store_event(entry)
    records = storage.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    stored = [record.event_log_entry.get_dagster_event() for record in records]
    assert sorted(each.partition or "" for each in stored if each.asset_key == odd) == sorted(names)


@pytest.mark.usefixtures("dagster_url")
def test_the_storage_is_found_by_settings_alone():
    storage = BulkPostgresStorage.from_config_value(None, {})
    assert isinstance(storage.event_log_storage, BulkEventLogStorage)
    assert isinstance(storage.event_log_storage, PostgresEventLogStorage)
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"


def _only_run(url: str) -> str:
    engine = create_engine(make_url(url))
    with engine.connect() as connection:
        run_id = connection.execute(text("SELECT run_id FROM runs")).scalar_one()
    engine.dispose()
    return str(run_id)
