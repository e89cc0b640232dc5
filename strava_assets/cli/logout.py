"""`strava-assets logout`: end an athlete's grant on Strava, and delete the token."""

import click

from strava_assets.cli.console import printable
from strava_assets.errors import ConfigurationError, StravaUnavailable
from strava_assets.services import open_redis
from strava_assets.settings import Settings
from strava_assets.strava.clock import REAL
from strava_assets.strava.logout import log_out
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import Token, TokenStore


@click.command("logout")
@click.option("--athlete", "athlete_id", type=int, metavar="ID", help="Athlete to log out; required if several are.")
@click.option("--force", is_flag=True, help="Delete the token even if Strava cannot be reached.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, athlete_id: int | None, force: bool, yes: bool) -> None:
    """Withdraw an athlete's access on Strava and delete the token.

    What was collected stays; `strava-assets purge` deletes it.
    """
    settings = Settings.from_environment()
    tokens = TokenStore(open_redis(settings))
    key, token = _chosen(tokens.tokens(), athlete_id)
    whom = (
        "The athlete"
        if token.athlete_id is None
        else f"{printable(token.athlete_name or 'Athlete')} ({token.athlete_id})"
    )
    oauth = OAuth(settings, REAL)
    if not yes:
        click.confirm(f"End the access of {whom} on Strava, and delete the token?", abort=True)
    try:
        unheard = log_out(key, oauth, tokens, even_if_strava_does_not_know=force)
    except StravaUnavailable as error:
        raise StravaUnavailable(f"{error} The token is kept; --force deletes it without telling Strava.") from error
    if unheard:
        there = f"; end it on {page}" if (page := settings.grants_page) else ""
        click.echo(f"{unheard} So Strava still lists this application{there}.")
    click.echo(f"{whom} is logged out. What was collected stays; strava-assets purge deletes it.")


def _chosen(tokens: dict[str, Token], athlete_id: int | None) -> tuple[str, Token]:
    if not tokens:
        raise ConfigurationError("Nobody is logged in.")
    if athlete_id is None:
        if len(tokens) > 1:
            known = ", ".join(str(token.athlete_id or key) for key, token in tokens.items())
            raise click.UsageError(f"Several athletes are logged in ({known}): choose one with --athlete ID.")
        return next(iter(tokens.items()))
    for key, token in tokens.items():
        if token.athlete_id == athlete_id:
            return key, token
    raise ConfigurationError(f"Athlete {athlete_id} is not logged in. See: strava-assets athletes")
