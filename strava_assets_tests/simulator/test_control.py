"""The simulation changed over HTTP, as other processes do it."""

from typing import Any

import pytest
import requests

from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import get


def test_other_processes_can_change_everything(simulation: Simulation, url: str):
    def ask(method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{url}/_simulator{path}", json=fields, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    added = ask("POST", "/activities", {"athlete_id": 42, "name": "Ride"})["id"]
    ask("PATCH", f"/activities/{added}", {"name": "Run", "_removed": ["distance"]})
    (known,) = ask("GET", "/activities?athlete_id=42")
    assert known["name"] == "Run"
    assert "distance" not in known
    token = ask("POST", "/grant")
    assert len(get(url, token).json()) == 1
    ask("POST", "/faults", {"kind": "status", "count": None})
    assert get(url, token).status_code == 500
    ask("DELETE", "/faults")
    assert get(url, token).ok
    ask("DELETE", f"/activities/{added}")
    assert simulation.activities(42) == []
    ask("POST", "/events", {"lose": True})
    assert simulation.events.lose
    before = simulation.now()
    ask("POST", "/advance", {"seconds": 7200})
    assert (simulation.now() - before).total_seconds() >= 7200
    ask("POST", "/revoke", {"athlete_id": 42})
    assert get(url, token).status_code == 401
    assert ask("POST", "/athletes", {"athlete_id": 43, "years": 1})["id"] == 43
    assert len(simulation.activities(43)) > 200
    assert [each["status"] for each in ask("GET", "/requests")] == [200, 500, 200, 401]


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"),
    [
        ("DELETE", "/activities/7", None, 404),
        ("POST", "/activities", {"athlete_id": 7}, 404),
        ("POST", "/activities", {"athlete_id": 42, "text": "{"}, 400),
        ("POST", "/faults", {"sort": "status"}, 400),
        ("POST", "/faults", {"kind": "flood"}, 400),
    ],
)
def test_wrong_commands_are_answered_with_the_reason(
    url: str, method: str, path: str, fields: dict[str, Any] | None, status: int
):
    answer = requests.request(method, f"{url}/_simulator{path}", json=fields, timeout=10)
    assert answer.status_code == status
    assert answer.json()["error"]
