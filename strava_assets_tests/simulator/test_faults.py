"""What goes wrong on demand."""

import time

import pytest
import requests

from strava_assets.simulator.faults import Kind
from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import LIST, complaint, get, renew, upload


def test_each_kind_of_answer_goes_wrong_once_and_then_no_more(simulation: Simulation, url: str):
    token = simulation.grant()
    for hours in range(3):
        upload(simulation, hours)
    add = simulation.faults.add
    add("status", status=503)
    answer = get(url, token)
    assert (answer.status_code, answer.json()) == (503, {"message": "error"})
    add("html")
    assert "text/html" in get(url, token).headers["content-type"]
    add("inactive")
    assert complaint(get(url, token)) == (403, "Application/Status/Inactive")
    add("body", body="[1]")
    assert get(url, token).json() == [1]
    add("short_page", drop=2)
    assert len(get(url, token).json()) == 1
    add("slow", seconds=0.1)
    started = time.monotonic()
    assert len(get(url, token).json()) == 3
    assert time.monotonic() - started >= 0.1
    assert simulation.faults.active == []


@pytest.mark.parametrize("kind", ["reset", "refused"])
def test_a_connection_is_reset(simulation: Simulation, url: str, kind: Kind):
    simulation.faults.add(kind)
    with pytest.raises(requests.exceptions.ConnectionError, match=r"(?i)reset"):
        get(url, simulation.grant())


def test_a_body_ends_in_the_middle(simulation: Simulation, url: str, caplog: pytest.LogCaptureFixture):
    upload(simulation, 0)
    simulation.faults.add("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(url, simulation.grant())
    assert caplog.records == []


def test_a_renewal_may_happen_though_its_answer_is_lost(simulation: Simulation, url: str):
    token = simulation.grant()
    simulation.faults.add("refused", path="/oauth/token")
    with pytest.raises(requests.exceptions.ConnectionError):
        renew(simulation, url, token)
    simulation.faults.add("reset", path="/oauth/token")
    with pytest.raises(requests.exceptions.ConnectionError):
        renew(simulation, url, token)
    assert complaint(renew(simulation, url, token)) == (400, "RefreshToken/refresh_token/invalid")


def test_faults_know_path_count_and_how_many_go_well_before(simulation: Simulation, url: str):
    token = simulation.grant()
    simulation.faults.add("status", path=LIST, after=1, count=2)
    assert get(url, token, "/athlete").ok
    assert [get(url, token).status_code for _ in range(4)] == [200, 500, 500, 200]
    simulation.faults.add("status", path="/athlete", count=None)
    assert [get(url, token).status_code for _ in range(3)] == [500, 500, 500]
    simulation.faults.clear()
    assert get(url, token).ok


def test_chance_strikes_alike_with_the_same_seed():
    def struck(seed: int) -> list[bool]:
        faults = Simulation(seed=seed).faults
        faults.add("status", count=None, probability=0.5)
        return [faults.strike(LIST) is not None for _ in range(40)]

    assert struck(1) == struck(1) != struck(2)
    assert 5 < sum(struck(1)) < 35


def test_a_request_refused_by_the_limits_meets_no_fault(simulation: Simulation, url: str):
    simulation.limits.count(simulation.clock.time(), requests=1000)
    simulation.faults.add("status")
    assert get(url, simulation.grant()).status_code == 429
    assert len(simulation.faults.active) == 1


def test_a_page_may_change_under_the_pager(simulation: Simulation, url: str):
    to_delete = upload(simulation, 0)
    simulation.on_request = lambda _path: simulation.delete(to_delete) if simulation.activities(42) else None
    assert get(url, simulation.grant()).json() == []
