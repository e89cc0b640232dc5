"""Pruning deletes how old runs went, and nothing of what they made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.instance import InstanceRef
from sqlalchemy import Engine, create_engine, make_url, text

from strava_assets.cli.main import main
from strava_assets.errors import ConfigurationError
from strava_assets.instance.event_pruning import prune_events
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings
from strava_assets_tests.instance.test_event_log import BULK, broken, first, second

OLD, NEW = "2026-01-01-02:00", "2026-01-01-03:00"


def run(instance: dg.DagsterInstance, assets: list[Any], hour: str) -> str:
    result = dg.materialize(assets, instance=instance, partition_key=hour, raise_on_error=False)
    return result.run_id


def known(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster's pages on assets, checks and runs show."""
    check = dg.AssetCheckKey(dg.AssetKey("second"), "fine")
    return {
        "materialised": {key: instance.get_materialized_partitions(key) for key in (first.key, second.key)},
        "metadata": [
            record.asset_materialization and record.asset_materialization.metadata
            for record in instance.fetch_materializations(first.key, limit=10).records
        ],
        "failed": instance.event_log_storage.get_latest_storage_id_by_partition(
            broken.key, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        ),
        "checks": [
            each.status for each in instance.event_log_storage.get_asset_check_execution_history(check, limit=10)
        ],
        "runs": {each.run_id: each.status for each in instance.get_runs()},
    }


@pytest.fixture
def dagster_database(environment: dict[str, str]) -> Engine:
    list(initialise(Settings.from_environment()))
    return create_engine(make_url(environment["DAGSTER_POSTGRES_URL"]))


def test_old_runs_lose_their_timelines_and_nothing_else(
    dagster_database: Engine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    count = text("SELECT count(*) FROM event_logs WHERE run_id = :run")
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), overrides=BULK)) as instance:
        old, failed = run(instance, [first, second], OLD), run(instance, [broken], OLD)
        new = run(instance, [first, second], NEW)
        with dagster_database.begin() as connection:
            connection.execute(
                text("UPDATE event_logs SET timestamp = timestamp - interval '91 days' WHERE run_id IN (:a, :b)"),
                {"a": old, "b": failed},
            )
            before = {run_id: connection.execute(count, {"run": run_id}).scalar_one() for run_id in (old, failed, new)}
        everything = known(instance)

        (tmp_path / "dagster.yaml").write_text(str(BULK))
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
        done = CliRunner().invoke(main, ["prune-events"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert known(instance) == everything
        assert any(event.is_step_failure for event in map(dagster_event, instance.all_logs(failed)) if event)
    with dagster_database.connect() as connection:
        after = {run_id: connection.execute(count, {"run": run_id}).scalar_one() for run_id in (old, failed, new)}
    dagster_database.dispose()
    assert after[new] == before[new]
    assert after[old] < before[old] / 2
    assert done.output == f"{sum(before.values()) - sum(after.values())} events older than 90 days deleted.\n"


@pytest.mark.slow
def test_a_run_under_way_keeps_all_its_events(dagster_database: Engine, tmp_path: Any):
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), overrides=BULK)) as instance:
        run_id = run(instance, [first], NEW)
        with dagster_database.begin() as connection:
            connection.execute(text("UPDATE runs SET status = 'STARTED' WHERE run_id = :run"), {"run": run_id})
        dagster_database.dispose()
        assert prune_events(instance, datetime.now(UTC) + timedelta(hours=1)) == 0


def test_storage_that_is_not_in_postgres_is_refused():
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(ConfigurationError, match=r"^Dagster's storage is not in Postgres\. "),
    ):
        prune_events(instance, datetime.now(UTC))


def dagster_event(entry: dg.EventLogEntry) -> dg.DagsterEvent | None:
    return entry.dagster_event
