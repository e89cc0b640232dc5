"""Every text that Dagster stores is looked at, in Postgres and in SQLite, and its logs."""

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from strava_assets.errors import ConfigurationError
from strava_assets.instance.command_line import instance_of_folder
from strava_assets.instance.event_redaction import redact
from strava_assets.instance.redaction import Redaction
from strava_assets.instance.storage_tables import TABLES
from strava_assets.provisioning import create_database
from strava_assets.settings import Settings

ATHLETE, ACTIVITY = 31415926, 15450425037
VALUE = f'{{"athlete_id": {ATHLETE}, "activity": "{ACTIVITY}"}}'


def plant(connection: sa.Connection) -> None:
    """A row in each of Dagster's tables, whose every text names the athlete."""
    for table in TABLES.values():
        values: dict[str, object] = {}
        for column in table.c:
            if isinstance(column.type, sa.Text):
                values[column.name] = VALUE
            elif isinstance(column.type, sa.String):
                values[column.name] = "x"
            elif isinstance(column.type, sa.DateTime) and column.server_default is None:
                values[column.name] = sa.func.now()
            elif isinstance(column.type, sa.Integer) and not (column.primary_key or column.nullable):
                values[column.name] = 1
            elif isinstance(column.type, sa.LargeBinary):
                values[column.name] = b""
        connection.execute(table.insert().values(values))


def stored(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str([connection.execute(sa.select(table)).all() for table in TABLES.values()])


def test_each_text_of_each_table_in_postgres_and_each_log_is_rewritten(dagster_home: Path) -> None:
    settings = Settings.from_environment()
    create_database(settings.dagster_postgres_url)
    with instance_of_folder() as instance:
        engine = sa.create_engine(settings.dagster_postgres_url)
        with engine.begin() as connection:
            plant(connection)
        log = dagster_home / ".local" / "dagster" / "compute_logs" / "storage" / "run" / "step.err"
        log.parent.mkdir(parents=True)
        log.write_bytes(b"\xff athlete %d fetched %d\n" % (ATHLETE, ACTIVITY))
        assert str(ATHLETE) in stored(engine)
        changed = redact(instance, Redaction(ATHLETE, {ACTIVITY}))
        assert changed >= sum(any(isinstance(column.type, sa.Text) for column in table.c) for table in TABLES.values())
        assert str(ATHLETE) not in stored(engine)
        assert str(ACTIVITY) not in stored(engine)
        assert '"athlete_id": 0' in stored(engine)
        assert log.read_bytes() == b"\xff athlete 00000000 fetched 00000000000\n"
        assert redact(instance, Redaction(ATHLETE, {ACTIVITY})) == 0
        statistics = "SELECT string_agg(most_common_vals::text, ' ') FROM pg_stats WHERE schemaname = 'public'"
        with engine.connect() as connection:
            assert str(ATHLETE) not in str(connection.execute(sa.text(statistics)).scalar())
        engine.dispose()


def test_a_purge_that_ended_before_tables_were_compacted_compacts_them_when_it_is_repeated(dagster_home: Path) -> None:
    assert dagster_home
    settings = Settings.from_environment()
    create_database(settings.dagster_postgres_url)
    with instance_of_folder() as instance:
        before = files(settings.dagster_postgres_url)
        assert redact(instance, Redaction(ATHLETE, {ACTIVITY})) == 0
        after = files(settings.dagster_postgres_url)
        assert {"event_logs", "runs", "job_ticks", "jobs", "kvs"} <= {name for name, file in before - after}


def files(url: sa.URL) -> set[tuple[str, int]]:
    """Each of Dagster's tables and where it lies; a compaction moves it."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = {
            (name, int(connection.execute(sa.text(f"SELECT pg_relation_filenode('{name}')")).scalar_one()))
            for name in TABLES.keys() & set(sa.inspect(connection).get_table_names())
        }
    engine.dispose()
    return found


@dg.op
def say(context: dg.OpExecutionContext) -> dg.Output[None]:
    context.log.info("athlete %s", ATHLETE)
    print("athlete", ATHLETE)
    return dg.Output(None, metadata={"preview": dg.MetadataValue.md("|Secret tour|"), f"object_{ATHLETE}": "link"})


@dg.job(tags={"whose": f"athlete {ATHLETE}"})
def chatter() -> None:
    say()


def test_a_storage_in_files_of_sqlite_is_rewritten_and_leaves_no_byte(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert chatter.execute_in_process(instance=instance).success
        assert names_athlete(tmp_path)
        assert redact(instance, Redaction(ATHLETE, ())) > 0
        assert names_athlete(tmp_path) == []
        [run] = instance.get_runs()
        assert run.tags["whose"] == "athlete 0"
        assert len(instance.all_logs(run.run_id)) > 5


def names_athlete(folder: Path) -> list[str]:
    words = (str(ATHLETE).encode(), b"Secret tour")
    return [
        file.name for file in folder.rglob("*") if file.is_file() and any(word in file.read_bytes() for word in words)
    ]


def test_a_storage_that_cannot_be_rewritten_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        pass

    with dg.DagsterInstance.ephemeral() as instance, monkeypatch.context() as patched:
        assert redact(instance, Redaction(ATHLETE, ())) == 0  # in memory: it goes with the process
        patched.setattr(instance, "_event_storage", Foreign())
        with pytest.raises(ConfigurationError, match=r"Dagster's storage \(Foreign\) cannot be rewritten"):
            redact(instance, Redaction(ATHLETE, ()))
