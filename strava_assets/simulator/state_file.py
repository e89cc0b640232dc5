"""A simulation kept in a file, so that stored refresh tokens still work after a restart."""

import json
from pathlib import Path
from typing import Any

from strava_assets.local import atomic_file
from strava_assets.raw.activity import split_array
from strava_assets.simulator.accounts import Account
from strava_assets.simulator.simulation import Simulation
from strava_assets.simulator.tokens import Grant


class StateUnreadable(Exception):
    """The file holds no state of a simulation; `str()` says which and what to do."""


def keep(simulation: Simulation, file: Path) -> bool:
    """Load what is in the file, if it is there, and save every change to it from now on; whether it was there.

    Raises StateUnreadable for a file with something else in it, which is left as it is.
    """
    exists = file.exists()
    if exists:
        try:
            _load(simulation, json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StateUnreadable(
                f"{file} holds no state of the simulated Strava. Delete it to begin with a new athlete."
            ) from None
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
    simulation.on_change = lambda: _save(simulation, file)
    return exists


def _load(simulation: Simulation, state: dict[str, Any]) -> None:
    for saved in state["accounts"]:
        account = Account(saved["id"], saved["firstname"], saved["lastname"])
        account.activities = {int(key): split_array(f"[{text}]")[0] for key, text in saved["activities"].items()}
        account.starts = {int(key): start for key, start in saved.get("starts", {}).items()}
        simulation.accounts[account.id] = account
    simulation.tokens.access = {
        token: Grant(athlete_id, frozenset(scopes), expires)
        for token, (athlete_id, scopes, expires) in state["access_tokens"].items()
    }
    simulation.tokens.refresh = {
        token: (athlete_id, frozenset(scopes), access)
        for token, (athlete_id, scopes, access) in state["refresh_tokens"].items()
    }
    simulation.subscription = state["subscription"]


def _save(simulation: Simulation, file: Path) -> None:
    """Write all at once, so that a crash leaves the old state or the new. It holds tokens: only its owner may read."""
    with simulation.lock:
        atomic_file.save(file, _state(simulation))


def _state(simulation: Simulation) -> dict[str, Any]:
    return {
        "accounts": [
            {
                "id": account.id,
                "firstname": account.firstname,
                "lastname": account.lastname,
                "activities": {key: raw.text for key, raw in account.activities.items()},
                "starts": account.starts,
            }
            for account in simulation.accounts.values()
        ],
        "access_tokens": {
            token: (grant.athlete_id, sorted(grant.scopes), grant.expires_at)
            for token, grant in simulation.tokens.access.copy().items()
        },
        "refresh_tokens": {
            token: (athlete_id, sorted(scopes), access)
            for token, (athlete_id, scopes, access) in simulation.tokens.refresh.copy().items()
        },
        "subscription": simulation.subscription,
    }
