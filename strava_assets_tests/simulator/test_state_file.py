"""The simulation as a process that is stopped and started again."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from strava_assets.simulator.__main__ import main
from strava_assets.simulator.simulation import Simulation
from strava_assets.simulator.state_file import keep
from strava_assets_tests.simulator.asking import get, ids, renew

CREDENTIALS = {"STRAVA_CLIENT_ID": "7", "STRAVA_CLIENT_SECRET": "of-the-test"}


@contextmanager
def running(*options: object) -> Iterator[str]:
    command = [sys.executable, "-m", "strava_assets.simulator", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, env=os.environ | CREDENTIALS, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first_line = process.stdout.readline()
        try:
            yield first_line.rpartition(" ")[2].strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0


def test_tokens_edits_and_history_outlive_the_process(tmp_path: Path):
    file = tmp_path / "folder" / "state.json"
    application = Simulation(client_id="7", client_secret="of-the-test")
    with running("--state", file, "--years", 0.2) as url:
        token = requests.post(f"{url}/_simulator/grant", timeout=10).json()
        added = requests.post(f"{url}/_simulator/activities", json={"athlete_id": 42}, timeout=10).json()["id"]
        before = get(url, token, per_page=200).text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with running("--state", file) as url:
        assert get(url, token, per_page=200).text == before
        assert renew(application, url, token).ok
        again = requests.post(f"{url}/_simulator/activities", json={"athlete_id": 42}, timeout=10).json()["id"]
        assert again != added
        assert {added, again} <= set(ids(get(url, token, per_page=200)))


def test_a_state_is_saved_before_it_is_reported_and_never_in_halves(tmp_path: Path):
    file = tmp_path / "state.json"
    first, second = Simulation(), Simulation()
    assert not keep(first, file)
    first.add_athlete(42)
    first.add_activity(42, text='{"id": 7, "distance": 50.00, "name": "\\ud83c\\udfc3 朝"}')
    token = first.grant()
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert keep(second, file)
    assert second.accounts[42].activities[7].text == first.accounts[42].activities[7].text
    assert second.refresh(token["refresh_token"])
    assert token["refresh_token"] not in file.read_text()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"accounts": 5}', json.dumps({"accounts": [{"id": 1}]})])
def test_a_file_that_holds_something_else_is_named_and_left_alone(tmp_path: Path, content: str):
    file = tmp_path / "state.json"
    file.write_text(content)
    result = CliRunner().invoke(main, ["--state", str(file)])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {file} holds no state of the simulated Strava. Delete it to begin with a new athlete.\n"
    )
    assert file.read_text() == content


def test_a_port_in_use_is_reported_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["--port", str(port), "--years", "0.01"])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: 127.0.0.1:{port} cannot be listened on (Address already in use). Choose another with --port.\n"
    )
