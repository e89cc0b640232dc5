"""Writes `.env.example` from the settings: `python -m strava_assets_tests.env_example`."""

import textwrap
from pathlib import Path

from strava_assets.settings import VARIABLES

FILE = Path(__file__).parent.parent / ".env.example"

_HEAD = """\
# Copy this to .env and uncomment what you set. Environment variables override .env.
# Without any of these, `make up` starts its own Postgres, Redis, S3 and a simulated Strava.
"""

_COMPOSE = """\
# For `docker compose up`, deploy/make-env.sh writes a .env with random passwords for the services instead.
"""


def example() -> str:
    """What `.env.example` has to hold."""
    settings = [
        "\n".join([*textwrap.wrap(meaning, 118, initial_indent="# ", subsequent_indent="# "), f"#{name}={default}\n"])
        for name, default, meaning in VARIABLES
    ]
    return "\n".join([_HEAD, *settings, _COMPOSE])


if __name__ == "__main__":
    FILE.write_text(example())
