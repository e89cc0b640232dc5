"""What was deleted is in no file of Postgres any more: not in dead rows, statistics, or the write-ahead log."""

import secrets
from pathlib import Path

from sqlalchemy import create_engine, text

from strava_assets.local.postgres import Postgres
from strava_assets.mirror.compaction import compact_mirror
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
