"""`strava-assets login`: an athlete grants access in the browser; the token goes to Redis."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from dotenv import dotenv_values

from strava_assets.cli.console import counted, printable, shown_in_browser
from strava_assets.cli.env_file import put
from strava_assets.cli.oauth_callback import PATH, RedirectReceiver
from strava_assets.errors import RateLimitExceeded, StravaAssetsError
from strava_assets.local.own_command import own_command, up_command
from strava_assets.services import open_client, open_redis
from strava_assets.settings import Settings
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import REAL
from strava_assets.strava.login import ForeignRedirect, Grant, Login, complete
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import Athlete, TokenStore
from strava_assets.sync.before_start_date import BeforeStartDate, of_starts

WAIT_FOR_BROWSER = 600.0

NOWHERE = f"http://127.0.0.1:65432{PATH}"
"""Where the redirect goes when it is to be pasted: nothing listens there, and only its address is wanted."""

WHAT_IS_COLLECTED = """\
You are about to let strava-assets read your Strava activities: everything the API lists of each, private ones
and places included. They are stored in the bucket {bucket} and in the table strava_activity, and shown to
nobody else. Withdraw at any time with `strava-assets logout`{or_there};
`strava-assets purge` deletes what was stored.
"""


@click.command("login")
@click.option(
    "--no-browser",
    is_flag=True,
    help="Print an address to open in any browser, then ask for the address of the page on which it ends.",
)
def command(*, no_browser: bool) -> None:
    """Log an athlete in with Strava. Athletes who are logged in already stay so.

    Opens Strava in the browser and waits for the answer. The token is stored in Redis. The whole history is
    listed once, to find the STRAVA_START_DATE that covers it.
    """
    settings = Settings.from_environment()
    oauth = OAuth(settings, REAL)
    tokens = TokenStore(open_redis(settings))
    tokens.keys()  # better to learn now that Redis is away than after the athlete has granted access
    or_there = f", or on {page}" if (page := settings.grants_page) else ""
    click.echo(WHAT_IS_COLLECTED.format(bucket=settings.s3_bucket, or_there=or_there))
    grant = _grant_by_pasting(oauth) if no_browser else _grant_by_browser(oauth)
    with open_client(settings, may_use_reserve=True, on_wait=_say) as client:
        athlete = complete(grant, oauth, tokens, client)
        click.echo(f"Logged in: {printable(athlete.name or 'athlete')} ({athlete.id}), token in {athlete.token_key}.")
        try:
            starts = _starts(client, athlete)
        except StravaAssetsError as error:
            later = "" if isinstance(error, RateLimitExceeded) else "The login is stored. "
            click.echo(f"{later}The history could not be listed now: {error}", err=True)
            return
    known = [start.astimezone(UTC) for start in starts if start]
    number = counted(len(starts), "activity", "activities")
    if left := of_starts(known, settings.start_date, settings.oldest_kept(datetime.now(UTC))):
        click.echo(f"{number} since {left.first}.")
        _include(left)
    elif known:
        first, covering = min(known).date(), settings.start_date.date()
        click.echo(f"{number} since {first}. STRAVA_START_DATE={covering} covers them all.")
    else:
        click.echo(f"{number} so far.")


def _grant_by_browser(oauth: OAuth) -> Grant:
    with RedirectReceiver() as receiver:
        login = Login.begin(oauth, receiver.redirect_uri)
        receiver.expect(login.grant)
        click.echo(f"Grant access on this page, in a browser on this machine:\n\n  {login.url}\n")
        if not shown_in_browser(login.url):
            click.echo("If there is none here, press Ctrl-C and run: strava-assets login --no-browser")
        return receiver.wait(WAIT_FOR_BROWSER)


def _grant_by_pasting(oauth: OAuth) -> Grant:
    login = Login.begin(oauth, NOWHERE)
    click.echo(f"Open this page in any browser:\n\n  {login.url}\n")
    click.echo("After you have granted access, the browser ends on a page that does not load. Copy its address.")
    while True:
        try:
            return login.grant(click.prompt("Address", type=str))
        except ForeignRedirect as error:
            click.echo(f"{error}\nTry again, or end with Ctrl-C.", err=True)


def _starts(client: StravaClient, athlete: Athlete) -> list[datetime | None]:
    """When each of the athlete's activities started: the API tells only by listing them all."""
    found: dict[int | str, datetime | None] = {}
    for page in client.activities(athlete, None):
        for listed in page.activities:
            found[listed.activity.text if listed.activity.id is None else listed.activity.id] = listed.activity.start
        if sys.stderr.isatty():
            progress = f"{counted(len(found), 'activity', 'activities')} listed"
            click.echo(f"\r{progress}, {counted(client.requests_made, 'request')}", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    return list(found.values())


def _include(left: BeforeStartDate) -> None:
    """Say what is left out, and offer to put the date that includes it into `.env`."""
    click.echo(str(left))
    file = Path.cwd() / ".env"
    name = "STRAVA_START_DATE"
    if not sys.stdin.isatty() or os.environ.get(name) != dotenv_values(file).get(name):
        return  # nobody to ask, or the environment counts before the file
    if not click.confirm(f"Write {name}={left.first} into {file}?"):
        return
    put(file, name, str(left.first))
    click.echo(
        f"Written. Restart `{up_command()}`, or Dagster's webserver, daemon and code server; "
        f"then: {own_command()} import"
    )


def _say(message: str) -> None:
    click.echo(message, err=True)
