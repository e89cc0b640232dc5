"""`strava-assets up`, as a process of its own, in a project folder of its own."""

import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from strava_assets_tests.running_up import Up, environment, project


def processes_of(folder: Path) -> list[list[str]]:
    """The command lines of every living process that has to do with `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and (
                str(folder) in " ".join(process.cmdline()) or process.cwd().startswith(str(folder))
            ):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def refusal(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """An `up` that ends by itself at once."""
    command = [sys.executable, "-m", "strava_assets", "up", *options]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


def test_one_command_leads_to_activities_in_postgres(up: Up) -> None:
    mirrored = up.mirrored()
    (athlete_id,) = set(mirrored.values())
    now = datetime.now(UTC)
    expected = up.on_strava(athlete_id, now - timedelta(days=29), now - timedelta(hours=3))
    assert expected
    assert expected <= set(mirrored)

    shown = subprocess.run(
        [sys.executable, "-m", "strava_assets", "psql", "-At", "-c", "SELECT count(*) FROM strava_activity"],
        cwd=up.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(shown.stdout) >= len(mirrored)


def test_dagster_s_ui_serves_both_assets(up: Up) -> None:
    answer = up.graphql("{ assetsOrError { ... on AssetConnection { nodes { key { path } } } } }")
    assert {tuple(node["key"]["path"]) for node in answer["assetsOrError"]["nodes"]} == {
        ("raw_activities",),
        ("strava_activity",),
    }


def test_stock_commands_work_with_the_settings_that_it_wrote(up: Up) -> None:
    validated = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=up.folder,
        env=up.shell_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert validated.returncode == 0, validated.stderr


def test_a_second_one_in_the_same_folder_is_refused_in_one_line(up: Up) -> None:
    second = refusal(up.folder)
    assert second.returncode == 78
    assert second.stderr == (
        f"error: `strava-assets up` runs already in {up.folder}. Stop that one first, with Ctrl-C.\n"
    )
    assert up.process.poll() is None


def test_ctrl_c_stops_all_that_it_started_and_a_restart_finds_the_data(up: Up) -> None:
    before = set(up.mirrored())
    assert len(processes_of(up.folder)) >= 6
    assert up.stop(signal.SIGINT) == 0
    assert processes_of(up.folder) == []
    assert {path.name for path in up.folder.iterdir()} == {".local", "dagster.yaml", "workspace.yaml"}

    again = Up.start(up.folder)
    try:
        assert before <= set(again.mirrored())
        assert "created" not in "".join(again.said)
        # One part ends by itself: it is named, and nothing is left behind.
        (webserver,) = [
            process
            for process in psutil.Process(again.process.pid).children()
            if "strava_assets.web" in process.cmdline()
        ]
        webserver.kill()
        output, _ = again.process.communicate(timeout=90)
    finally:
        if again.process.poll() is None:
            again.stop(signal.SIGTERM)
    assert again.process.returncode == 75
    assert re.search(r"error: Dagster's webserver ended by itself with code -9, so everything is stopped\.", output)
    assert processes_of(up.folder) == []


def test_a_port_in_use_is_told_in_one_line_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        refused = refusal(project(tmp_path), "--port", str(port))
    assert refused.returncode == 78
    assert refused.stderr == (
        f"error: Port {port} is in use. Stop what uses it, or choose another: make up PORT={port + 1}\n"
    )
    assert processes_of(tmp_path) == []


def test_a_bad_setting_is_told_in_one_line_before_anything_is_started(tmp_path: Path) -> None:
    (project(tmp_path) / ".env").write_text("STRAVA_START_DATE=soon\n")
    refused = refusal(tmp_path)
    assert refused.returncode == 78
    assert refused.stderr == "error: STRAVA_START_DATE is 'soon', which is no date. Write it like 2024-01-01.\n"
    assert not (tmp_path / ".local").exists()


def test_outside_the_project_it_says_where_to_run_it(tmp_path: Path) -> None:
    refused = refusal(tmp_path)
    assert refused.returncode == 78
    assert refused.stderr == f"error: {tmp_path} has no dagster.yaml. Run this in the project's folder.\n"
