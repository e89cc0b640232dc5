"""The simulated Strava as a process of its own, for a machine without a Strava API application."""

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from strava_assets.errors import ServiceUnavailable
from strava_assets.local import atomic_file
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.free_ports import free_ports
from strava_assets.local.server_process import ServerProcess


class SimulatedStrava(EmbeddedServer):
    """A Strava with one athlete, on loopback. What it holds, tokens included, survives a restart."""

    def __init__(self, folder: Path) -> None:
        """Its log and its state are kept in `folder`."""
        folder = folder.absolute()
        super().__init__(folder, ServerProcess("The simulated Strava", folder))
        self._application: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where it answers: the value for STRAVA_BASE_URL."""
        return f"http://127.0.0.1:{self._application['port']}"

    @property
    def settings(self) -> dict[str, str]:
        """STRAVA_BASE_URL and the credentials of the API application."""
        return {
            "STRAVA_CLIENT_ID": self._application["client_id"],
            "STRAVA_CLIENT_SECRET": self._application["client_secret"],
            "STRAVA_BASE_URL": self.url,
        }

    def granted_token(self) -> dict[str, Any]:
        """A token of its athlete with every scope, as if they had logged in."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback URL
            f"{self.url}/_simulator/grant", data=b"{}", headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own loopback URL
                token: dict[str, Any] = json.load(answer)
        except (OSError, ValueError) as error:
            raise ServiceUnavailable(f"The simulated Strava grants no token: {error}") from None
        return token

    def _run(self) -> None:
        self._application = self._stored_application()
        self.process.start(
            [
                *(sys.executable, "-m", "strava_assets.simulator", "--host", "127.0.0.1"),
                *("--port", str(self._application["port"]), "--state", self.folder / "state.json"),
            ],
            # By the environment: arguments can be read in the process list.
            environment=os.environ | self.settings,
            is_ready=self._answers,
        )

    def _stored_application(self) -> dict[str, Any]:
        """The credentials of the first start, and its port if that is free still: the UI's links keep working."""
        file = self.folder / "application.json"
        stored = atomic_file.load(file)
        application = {
            "client_id": "1",
            "client_secret": stored.get("client_secret") or secrets.token_hex(20),
            "port": free_ports(1, preferred=[int(stored["port"])] if stored else [])[0],
        }
        if application != stored:
            atomic_file.save(file, application)
        return application

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/api/v3/athlete", timeout=5)  # noqa: S310 - our own loopback URL
        except urllib.error.HTTPError:
            # It refuses a request without a token, so it answers.
            return True
        except OSError:
            return False
        return True
