"""What a client of the simulated Strava says to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from strava_assets.simulator.simulation import Simulation

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
LIST = "/athlete/activities"


def get(url: str, token: dict[str, Any], path: str = LIST, **query: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    return requests.get(f"{url}/api/v3{path}", params=query, headers=headers, timeout=10)


def upload(simulation: Simulation, hours: float, **fields: Any) -> int:
    """An activity that starts so many hours after NOON."""
    start = (NOON + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    return simulation.add_activity(42, start_date=start, **fields)


def ids(answer: requests.Response) -> list[int]:
    return [each["id"] for each in answer.json()]


def ask_for_token(simulation: Simulation, url: str, **fields: str) -> requests.Response:
    form = {"client_id": simulation.client_id, "client_secret": simulation.client_secret, **fields}
    return requests.post(f"{url}/oauth/token", data=form, timeout=10)


def renew(simulation: Simulation, url: str, token: dict[str, Any], **fields: str) -> requests.Response:
    return ask_for_token(
        simulation, url, grant_type="refresh_token", **{"refresh_token": token["refresh_token"], **fields}
    )


def complaint(answer: requests.Response) -> tuple[int, str]:
    """The status, and the first error as its three words."""
    return answer.status_code, "/".join(answer.json()["errors"][0].values())
