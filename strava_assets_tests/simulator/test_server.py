"""Starting and stopping."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import get, ids


def test_the_port_is_free_again_after_the_server_stopped(simulation: Simulation):
    with serve(simulation) as url:
        port = urlsplit(url).port
        assert port
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    with serve(simulation, port=port) as again:
        assert again == url


def test_a_taken_port_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):  # noqa: SIM117
        with serve(Simulation(), port=taken.getsockname()[1]):
            pass


def test_many_may_change_and_list_at_once(simulation: Simulation, url: str):
    simulation.limits.overall = simulation.limits.read = type(simulation.limits.read)(10**6, 10**6)
    token = simulation.grant()

    def live(_: int) -> list[int]:
        mine = [simulation.add_activity(42) for _ in range(20)]
        for activity_id in mine[::2]:
            simulation.delete(activity_id)
        simulation.edit(mine[1], name="changed")
        get(url, token, per_page=200).raise_for_status()
        return mine[1::2]

    with ThreadPoolExecutor(8) as pool:
        kept = {activity_id for lived in pool.map(live, range(8)) for activity_id in lived}
    assert set(ids(get(url, token, per_page=200))) == kept
