"""Dagster's own connections after a restart of Postgres."""

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, text

from strava_assets.instance.event_log import BulkPostgresStorage

AS_THE_WEBSERVER = {"statement_timeout": 5000, "pool_recycle": 3600, "max_overflow": 20}


@pytest.mark.parametrize("is_webserver", [False, True])
def test_a_connection_that_postgres_has_ended_is_replaced_before_it_is_used(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, is_webserver: bool
):
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", database_url)
    storage = BulkPostgresStorage.from_config_value(None, {})

    def ask_all() -> None:
        assert list(storage.run_storage.get_runs()) == []
        assert storage.event_log_storage.get_maximum_record_id() in {None, 0}
        assert list(storage.schedule_storage.all_instigator_state()) == []

    if is_webserver:
        for each in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            each.optimize_for_webserver(**AS_THE_WEBSERVER)
    ask_all()
    engine = create_engine(make_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    engine.dispose()
    assert ended == 1, "the three storages share it"
    ask_all()


def statements(engine: Engine) -> list[str]:
    """Every statement that is sent from now on."""
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: sent.append(statement))
    return sent


def test_a_cursor_is_written_when_it_has_changed(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", database_url)
    runs = BulkPostgresStorage.from_config_value(None, {}).run_storage
    runs.set_cursor_values({"a": "1", "b": "1"})
    sent = statements(runs._engine)
    runs.set_cursor_values({"a": "1", "b": "1"})
    assert not [each for each in sent if each.startswith("INSERT")]
    runs.set_cursor_values({"a": "2", "b": "1"})
    assert runs.get_cursor_values({"a", "b"}) == {"a": "2", "b": "1"}


def test_the_tables_of_the_schedules_are_looked_up_once(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", database_url)
    schedules = BulkPostgresStorage.from_config_value(None, {}).schedule_storage
    schedules.all_instigator_state()
    sent = statements(schedules._engine)
    schedules.all_instigator_state()
    assert len(sent) == 1, sent
