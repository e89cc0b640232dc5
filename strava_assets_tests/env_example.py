"""Writes `.env.example` from the settings: `python -m strava_assets_tests.env_example`."""

import textwrap
from pathlib import Path

from strava_assets.settings import VARIABLES

FILE = Path(__file__).parent.parent / ".env.example"

_HEAD = """\
# Copy this to .env, and take the # away from what you set. Environment variables count before .env.
# With none of it set, `make up` brings its own Postgres, Redis, S3 and a simulated Strava.
"""

_COMPOSE = """\
# For `docker compose up` alone: passwords of the services in docker-compose.yaml, such as `openssl rand -hex 24` makes.
# The settings above then are REDIS_URL=redis://:password@127.0.0.1:6379/0,
# DATABASE_URL=postgresql+psycopg2://postgres:password@127.0.0.1:5432/strava, AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000,
# AWS_ACCESS_KEY_ID=strava-assets and AWS_SECRET_ACCESS_KEY=password.
#POSTGRES_PASSWORD=
#REDIS_PASSWORD=
#MINIO_ROOT_PASSWORD=
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
