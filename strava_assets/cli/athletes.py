"""`strava-assets athletes`: who is logged in, and until when. Asks Redis only, not Strava."""

from datetime import UTC, datetime

import click

from strava_assets.cli.console import print_table
from strava_assets.services import open_redis
from strava_assets.settings import Settings
from strava_assets.strava.tokens import Token, TokenStore
from strava_assets.strava.withdrawal import doubts

_HEADINGS = ("id", "name", "token until (UTC)", "scopes", "Redis key")


@click.command("athletes")
def command() -> None:
    """Show who is logged in, and until when.

    A token ends after six hours and is renewed automatically when it is used.
    """
    settings = Settings.from_environment()
    store = TokenStore(open_redis(settings))
    tokens = store.tokens()
    if not tokens:
        click.echo("Nobody is logged in. Run: strava-assets login")
        return
    print_table([_HEADINGS, *(_row(key, token) for key, token in tokens.items())])
    for error in doubts(store, datetime.now(UTC)).values():
        click.echo(str(error))


def _row(key: str, token: Token) -> tuple[str, str, str, str, str]:
    return (
        "unknown" if token.athlete_id is None else str(token.athlete_id),
        token.athlete_name or "",
        _until(token),
        "unknown" if token.scopes is None else " ".join(sorted(token.scopes)),
        key,
    )


def _until(token: Token) -> str:
    if token.expires_at is None:
        return "unknown"
    ended = " (ended)" if token.expires_at < datetime.now(UTC) else ""
    return f"{token.expires_at:%Y-%m-%d %H:%M}{ended}"
