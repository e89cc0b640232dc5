"""Log the simulated Strava's athlete in, unless somebody is: `python -m strava_assets.simulator.first_login`."""

import json

import click
import requests

from strava_assets.loopback import is_loopback
from strava_assets.services import open_redis
from strava_assets.settings import Settings
from strava_assets.strava.tokens import FIRST_KEY, Token, TokenStore


def main() -> None:
    """Ask the simulator at STRAVA_BASE_URL for a token and store it in Redis."""
    settings = Settings.from_environment()
    tokens = TokenStore(open_redis(settings))
    if tokens.keys():
        click.echo("Somebody is logged in already.")
        return
    with requests.Session() as session:
        session.trust_env = not is_loopback(settings.base_url)  # a proxy would not find the loopback
        answer = session.post(f"{settings.base_url}/_simulator/grant", timeout=30)
    answer.raise_for_status()
    tokens.save(FIRST_KEY, Token(json.loads(answer.text)))
    click.echo("The simulated athlete is logged in.")


if __name__ == "__main__":
    main()
