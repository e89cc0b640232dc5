"""The embedded Postgres."""

from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from strava_assets.errors import ConfigurationError
from strava_assets.local.postgres import Postgres


def run(url: str, *statements: str) -> list[object]:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return [row[0] for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def test_data_is_kept_over_a_restart_and_a_power_cut(tmp_path: Path) -> None:
    with Postgres(tmp_path / "pg") as server:
        run(server.url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
        pid = server.process.pid
    assert not psutil.pid_exists(pid)

    # What a power cut leaves: pid files, here with the id of a process that has nothing to do with it.
    (tmp_path / "pg/data/postmaster.pid").write_text(f"1\n{tmp_path}/pg/data\n1700000000\n5432\n\n\n")
    (tmp_path / "pg/server.lock").write_text("1")
    with Postgres(tmp_path / "pg") as server:
        assert run(server.url, "SELECT id FROM kept") == [7]


def test_a_folder_is_used_by_one_owner_only(tmp_path: Path) -> None:
    with Postgres(tmp_path / "pg", durable=False) as server:
        with pytest.raises(ConfigurationError, match="is in use by another process"):
            Postgres(tmp_path / "pg").start()
        assert run(server.url, "SELECT 1") == [1]


def test_it_listens_on_no_network_port(postgres_server: Postgres) -> None:
    assert run(postgres_server.url, "SHOW listen_addresses") == [""]
    process = psutil.Process(postgres_server.process.pid)
    assert not [connection for connection in process.net_connections(kind="inet") if connection.status == "LISTEN"]


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    with Postgres(folder, durable=False) as server:
        assert run(server.url, "SELECT 1") == [1]


def test_data_of_another_major_version_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    (folder / "data").mkdir(parents=True)
    (folder / "data/PG_VERSION").write_text("9.6\n")
    with pytest.raises(ConfigurationError, match=r"was written by Postgres 9\.6"):
        Postgres(folder).start()


def test_text_sorts_the_same_on_every_system(database_url: str) -> None:
    assert run(database_url, "SELECT x FROM unnest(ARRAY['a', 'B', 'ä']) x ORDER BY x") == ["B", "a", "ä"]
    assert run(database_url, "SHOW timezone") == ["UTC"]
