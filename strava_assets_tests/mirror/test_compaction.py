"""What was deleted is in no file of Postgres any more: not in dead rows, statistics, or the write-ahead log."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from strava_assets.errors import ServiceUnavailable
from strava_assets.local.postgres import Postgres
from strava_assets.mirror.compaction import compact, compact_mirror
from strava_assets.provisioning import migrate


def test_deleted_rows_leave_every_file_and_the_statistics(postgres_server: Postgres, database_url: str) -> None:
    engine = create_engine(database_url)
    migrate(engine.url)
    word = secrets.token_hex(16)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO strava_activity (id, athlete_id, name) VALUES (7, 42, :name)"), {"name": word}
        )
        connection.execute(
            text(
                "INSERT INTO strava_activity (id, athlete_id, name) "
                "SELECT 100 + n, 42, :name || n % 3 FROM generate_series(1, 500) AS n"
            ),
            {"name": word},
        )
        connection.execute(text("ANALYZE strava_activity"))
    assert word in statistics(database_url)
    with engine.begin() as connection:
        connection.execute(text("CHECKPOINT"))
        connection.execute(text("DELETE FROM strava_activity"))
    assert files_with(postgres_server.folder, word)
    compact_mirror(engine)
    engine.dispose()
    assert word not in statistics(database_url)
    assert files_with(postgres_server.folder, word) == []


def test_who_reads_a_table_does_not_wait_behind_a_compaction_that_waits(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strava_assets.mirror.compaction.PATIENCE", 3.0)
    engine = create_engine(database_url)
    migrate(engine.url)
    with ThreadPoolExecutor(1) as worker, engine.begin() as loading:
        loading.execute(text("INSERT INTO strava_activity (id, athlete_id) VALUES (7, 42)"))
        compacting = worker.submit(compact, engine, ["strava_activity"])
        reads = 0
        while not compacting.done():
            with engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM strava_activity")).scalar() == 0
            reads += 1
        with pytest.raises(ServiceUnavailable, match="strava_activity is in use all the time"):
            compacting.result()
    assert reads > 3, "one that waited would have waited for all of these three seconds"
    monkeypatch.setattr("strava_assets.mirror.compaction.PATIENCE", 60.0)
    with ThreadPoolExecutor(1) as worker:
        with engine.begin() as loading:
            loading.execute(text("INSERT INTO strava_activity (id, athlete_id) VALUES (8, 42)"))
            compacting = worker.submit(compact, engine, ["strava_activity"])
            time.sleep(1)
        assert compacting.result() is None
    engine.dispose()


def statistics(database_url: str) -> str:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = str(connection.execute(text("SELECT string_agg(s::text, ' ') FROM pg_stats AS s")).scalar())
    engine.dispose()
    return found


def files_with(folder: Path, word: str) -> list[str]:
    return [
        str(file.relative_to(folder))
        for file in (folder / "data").rglob("*")
        if file.is_file() and word.encode() in file.read_bytes()
    ]
