"""`strava-assets up`, as a process of its own, in a project folder of its own."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from strava_assets_tests.archive.exports import ExportFile, activities
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


def part_of(up: Up, word: str) -> psutil.Process:
    """The process that `up` started with this word in its command."""
    (found,) = children(up, word)
    return found


def children(up: Up, word: str) -> list[psutil.Process]:
    living = (each for each in psutil.Process(up.process.pid).children() if each.status() != psutil.STATUS_ZOMBIE)
    return [child for child in living if word in child.cmdline()]


def wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def refusal(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """An `up` that ends unexpectedly at once."""
    command = [sys.executable, "-m", "strava_assets", "up", *options]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def up_in_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that is up in a folder that had nothing in it."""
    up = Up.start(tmp_path_factory.mktemp("empty"))
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.stop(signal.SIGTERM)


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


def test_its_own_run_says_in_the_run_list_why_it_is_there(up: Up) -> None:
    answer = up.graphql("{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }")
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in answer["runsOrError"]["results"]]
    assert "start" in {each["strava_assets/reason"] for each in tags}


def test_it_says_each_thing_once(up: Up) -> None:
    parts = [line.split(" (")[0] for line in up.lines if line.startswith("  ")]
    assert sorted(parts) == sorted(set(parts))
    assert len([line for line in parts if "Dagster is" in line]) == 1


def test_dagster_s_ui_serves_the_assets(up: Up) -> None:
    answer = up.graphql("{ assetsOrError { ... on AssetConnection { nodes { key { path } } } } }")
    served = {tuple(node["key"]["path"]) for node in answer["assetsOrError"]["nodes"]}
    assert {("raw_activities",), ("strava_activity",), ("raw_archive",), ("strava_archive",)} <= served


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
        f"error: `strava-assets up` runs already in {up.folder}. "
        f"Stop that one first, with Ctrl-C or: kill {up.process.pid}\n"
    )
    assert up.process.poll() is None


DAGSTER = "strava_assets.local.dagster_server"


def loaded(up: Up) -> bool:
    """Whether the UI answers, with the definitions."""
    try:
        answer = up.graphql(
            "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
        )
    except OSError:
        return False
    (entry,) = answer["workspaceOrError"]["locationEntries"]
    return bool(entry["locationOrLoadError"]["__typename"] == "RepositoryLocation")


def test_dagster_comes_back_when_it_dies(up: Up) -> None:
    died = part_of(up, DAGSTER)
    died.kill()
    wait_until(lambda: any(each.pid != died.pid for each in children(up, DAGSTER)), 20)
    wait_until(lambda: loaded(up), 60)


@pytest.mark.slow
def test_dagster_comes_back_when_it_dies_before_everything_is_up(tmp_path: Path) -> None:
    up = Up.begin(tmp_path)
    try:
        up.read_until("Fetching")
        part_of(up, DAGSTER).kill()
        up.wait()
        assert [line for line in up.lines if "Dagster ended unexpectedly with code -9; it is started again." in line]
        assert loaded(up)
    finally:
        up.stop(signal.SIGINT)


def test_ctrl_c_stops_all_that_it_started_and_a_restart_finds_the_data(up: Up) -> None:
    before = set(up.mirrored())
    assert len(processes_of(up.folder)) >= 5
    assert up.stop(signal.SIGINT) == 0
    assert processes_of(up.folder) == []
    assert {path.name for path in up.folder.iterdir()} == {".local", "dagster.yaml", "workspace.yaml"}

    again = Up.start(up.folder)
    try:
        assert before <= set(again.mirrored())
        assert "created" not in "".join(again.lines)
        # One part ends unexpectedly: it is named, and nothing is left behind.
        part_of(again, "mini").kill()
        output, _ = again.process.communicate(timeout=300)
    finally:
        if again.process.poll() is None:
            again.stop(signal.SIGTERM)
    assert again.process.returncode == 75
    assert re.search(r"error: S3 ended unexpectedly with code -9, so everything is stopped\.", output)
    assert processes_of(up.folder) == []


def test_a_port_in_use_is_reported_in_one_line_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        refused = refusal(project(tmp_path), "--port", str(port))
    assert refused.returncode == 78
    assert refused.stderr == (
        f"error: Port {port} is in use. Stop what uses it, or choose another: strava-assets up --port {port + 1}\n"
    )
    assert processes_of(tmp_path) == []


def test_a_bad_setting_is_reported_in_one_line_before_anything_is_started(tmp_path: Path) -> None:
    (project(tmp_path) / ".env").write_text("STRAVA_START_DATE=soon\n")
    refused = refusal(tmp_path)
    assert refused.returncode == 78
    assert refused.stderr == "error: STRAVA_START_DATE is 'soon', which is not a date. Write it like 2024-01-01.\n"
    assert not (tmp_path / ".local").exists()


@pytest.mark.slow
def test_without_a_checkout_an_empty_folder_is_enough_and_stays_tidy(up_in_empty_folder: Up) -> None:
    up = up_in_empty_folder
    assert up.mirrored()
    assert {path.name for path in up.folder.iterdir()} == {".local", "dagster.yaml"}
    assert not [line for line in up.lines if "make up" in line or ".venv/bin" in line]


@pytest.mark.slow
def test_without_a_checkout_a_stock_command_without_the_settings_names_the_remedy(up_in_empty_folder: Up) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "strava_assets.definitions"),
            *("--select", "raw_activities", "--partition", "2024-01-01-00:00"),
        ],
        cwd=up_in_empty_folder.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "Error" in line or "Trace" in line]
    assert line == (
        "Error: No Postgres answers at localhost:5432, and DATABASE_URL names no other. "
        "For the servers of `strava-assets up`, which has to run: set -a; . .local/env; set +a"
    )


@pytest.mark.slow
def test_a_closed_terminal_ends_everything(up_in_empty_folder: Up) -> None:
    assert up_in_empty_folder.stop(signal.SIGHUP) == 0
    assert processes_of(up_in_empty_folder.folder) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of other systems does not end the children")
def test_whoever_kills_it_outright_leaves_nothing_behind_and_the_next_one_starts(tmp_path: Path) -> None:
    killed = Up.begin(tmp_path)
    killed.read_until("S3 is started")
    killed.process.kill()
    killed.process.wait()
    wait_until(lambda: processes_of(tmp_path) == [], 15)
    again = Up.begin(tmp_path)
    try:
        again.read_until("S3 is started")
    finally:
        assert again.stop(signal.SIGINT) == 0
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_an_export_alone_is_enough_and_the_next_start_needs_not_even_that(tmp_path: Path) -> None:
    export = ExportFile(of := activities())
    (tmp_path / "Downloads").mkdir()
    path = export.zip(tmp_path / "Downloads" / "export_42 (1).zip")
    for options in (["--archive", str(path)], []):
        up = Up.begin(tmp_path, *options)
        try:
            up.wait()
            assert up.mirrored().keys() == {each["id"] for each in of}
            assert not any("simulated" in line for line in up.lines)
            assert any("nothing is fetched from Strava" in line for line in up.lines)
        finally:
            up.stop(signal.SIGINT)


def test_a_broken_export_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "export.zip").write_bytes(b"PK\x03\x04")
    refused = refusal(tmp_path, "--archive", "export.zip")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: export.zip is an incomplete zip")
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize(
    "command", [["dagster", "job", "list", "-w", "workspace.yaml"], ["dagster_webserver"], ["dagster._daemon", "run"]]
)
def test_a_stock_command_without_the_settings_names_the_remedy_in_a_line(tmp_path: Path, command: list[str]) -> None:
    nobody = {"PGHOST": "", "DAGSTER_HOME": str(project(tmp_path))}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env=environment() | nobody,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = [each for each in done.stderr.splitlines() if not each.startswith("\x1b")]
    assert line == (
        "Error: No Postgres answers at localhost:5432, and DATABASE_URL names no other. "
        "For the servers of `strava-assets up`, which has to run: set -a; . .local/env; set +a"
    )
