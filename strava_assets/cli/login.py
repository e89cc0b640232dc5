"""`strava-assets login`: an athlete grants access in the browser; the token goes to Redis."""

import os
import sys
import webbrowser
from datetime import UTC, datetime

import click

from strava_assets.cli.console import printable
from strava_assets.cli.oauth_callback import PATH, RedirectReceiver
from strava_assets.errors import RateLimitExceeded, StravaAssetsError
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import REAL
from strava_assets.strava.login import Grant, Login, complete
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.tokens import Athlete, TokenStore

WAIT_FOR_BROWSER = 600.0

NOWHERE = f"http://127.0.0.1:65432{PATH}"
"""Where the redirect goes when it is to be pasted: nothing listens there, and only its address is wanted."""

WHAT_IS_COLLECTED = """\
You are about to let strava-assets read your Strava activities: everything the API lists of each, private ones
and places included. They are stored in the bucket {bucket} and in the table strava_activity, and shown to
nobody else. Withdraw at any time with `strava-assets logout`, or on https://www.strava.com/settings/apps;
`strava-assets purge` deletes what was stored.
"""


@click.command("login")
@click.option(
    "--no-browser",
    is_flag=True,
    help="Print the address to open anywhere, and take the address of the page it ends on.",
)
def command(*, no_browser: bool) -> None:
    """Let an athlete log in with Strava, beside those who are logged in already.

    Opens the browser, and waits there for the answer. The token is stored in Redis. The whole history is
    listed once, to say which STRAVA_START_DATE covers it.
    """
    settings = Settings.from_environment()
    oauth = OAuth(settings, REAL)
    tokens = TokenStore(connect(settings.redis_url))
    tokens.keys()  # better to learn now that Redis is away than after the athlete has granted access
    click.echo(WHAT_IS_COLLECTED.format(bucket=settings.s3_bucket))
    grant = _grant_by_pasting(oauth) if no_browser else _grant_by_browser(oauth)
    with StravaClient.open(settings, may_use_reserve=True, on_wait=_say) as client:
        athlete = complete(grant, oauth, tokens, client)
        click.echo(f"Logged in: {printable(athlete.name or 'athlete')} ({athlete.id}), token in {athlete.token_key}.")
        try:
            count, first = _history(client, athlete)
        except StravaAssetsError as error:
            later = "" if isinstance(error, RateLimitExceeded) else "The login is stored. "
            click.echo(f"{later}The history could not be listed now: {error}", err=True)
            return
    click.echo(_advice(settings, count, first))


def _grant_by_browser(oauth: OAuth) -> Grant:
    with RedirectReceiver() as receiver:
        login = Login.begin(oauth, receiver.redirect_uri)
        receiver.expect(login.grant)
        click.echo(f"Grant access on this page, in a browser on this machine:\n\n  {login.url}\n")
        if not (_has_browser() and webbrowser.open(login.url)):
            click.echo("If there is none here, press Ctrl-C and run: strava-assets login --no-browser")
        return receiver.wait(WAIT_FOR_BROWSER)


def _grant_by_pasting(oauth: OAuth) -> Grant:
    login = Login.begin(oauth, NOWHERE)
    click.echo(f"Open this page in any browser:\n\n  {login.url}\n")
    click.echo("After you have granted access, the browser ends on a page that does not load. Copy its address.")
    return login.grant(click.prompt("Address", type=str))


def _history(client: StravaClient, athlete: Athlete) -> tuple[int, datetime | None]:
    """How many activities there are, and when the first started: the API tells only by listing them all."""
    found: set[int | str] = set()
    first: datetime | None = None
    for page in client.activities(athlete, None):
        for listed in page.activities:
            found.add(listed.activity.text if listed.activity.id is None else listed.activity.id)
            starts = [start for start in (first, listed.activity.start) if start]
            first = min(starts, default=None)
        if sys.stderr.isatty():
            click.echo(f"\r{len(found)} activities listed, {client.requests_made} requests", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    return len(found), first


def _advice(settings: Settings, count: int, first: datetime | None) -> str:
    if first is None:
        return f"{count} activities so far."
    day = first.astimezone(UTC).date().isoformat()
    found = f"{count} activities since {day}."
    if first >= settings.start_date:
        return f"{found} STRAVA_START_DATE={settings.start_date.date().isoformat()} covers them all."
    return f"{found} To cover them all, set STRAVA_START_DATE={day} (now {settings.start_date.date().isoformat()})."


def _has_browser() -> bool:
    """Whether opening one makes sense: on a host without a display it would be a text browser in this terminal."""
    return (
        bool({"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
        or sys.platform == "darwin"
        or sys.platform.startswith("win")
    )


def _say(message: str) -> None:
    click.echo(message, err=True)
