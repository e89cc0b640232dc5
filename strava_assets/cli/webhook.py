"""`strava-assets webhook`: subscribe to Strava's webhooks, and receive them."""

import socket
from contextlib import suppress

import click

from strava_assets.errors import ConfigurationError, PermanentError
from strava_assets.services import open_redis
from strava_assets.settings import Settings
from strava_assets.webhooks.identity import WebhookIdentity
from strava_assets.webhooks.subscription import Subscription, Subscriptions


@click.group("webhook")
def command() -> None:
    """Subscribe to Strava's webhooks, and receive them.

    With webhooks an upload can be queried within a minute; without them within 15 minutes. In this order:

    \b
    1. strava-assets webhook serve          keep it running, behind a public https URL
    2. strava-assets webhook subscribe --callback-url https://example.org

    Strava calls the receiver before it confirms the subscription, so the receiver must run first. Only the path that
    `strava-assets webhook path` prints needs to be reachable from outside.
    """


@command.command("path")
def path() -> None:
    """Print the receiver's path, to let it through a proxy. Keep it secret: anybody who knows it can post events."""
    click.echo(f"/{_identity(Settings.from_environment()).path()}")


@command.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(host: str, port: int) -> None:
    """Receive events until interrupted. /healthz reports whether Redis can be reached."""
    # Imported here: the other commands need no web server.
    from strava_assets.bounded_server import BACKLOG  # noqa: PLC0415
    from strava_assets.webhooks.receiver import create_server  # noqa: PLC0415

    settings = Settings.from_environment()
    identity = _identity(settings)
    # Made now, so that what is missing is reported before anything is served.
    identity.path()
    identity.verify_token()
    try:
        listening = socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port} ({error.strerror}). Choose another with --host or --port."
        ) from None
    where = f"http://{host}:{listening.getsockname()[1]}"
    click.echo(f"Receiving events on {where}; the path is what `strava-assets webhook path` prints. Ctrl-C stops it.")
    with suppress(KeyboardInterrupt):
        create_server(settings).run([listening])


@command.command("subscribe")
@click.option(
    "--callback-url",
    required=True,
    metavar="URL",
    help="Public https URL under which the receiver can be reached; the secret path is added automatically.",
)
def subscribe(callback_url: str) -> None:
    """Subscribe to the events of all athletes. `strava-assets webhook serve` must be running.

    Strava allows one subscription per API application, and calls the callback URL before it answers.
    """
    if not callback_url.startswith(("http://", "https://")):
        raise click.BadParameter("it must be an http:// or https:// URL.", param_hint="--callback-url")
    settings = Settings.from_environment()
    identity, subscriptions = _identity(settings), Subscriptions(settings)
    wanted = identity.callback_url(callback_url)
    there = next((each for each in subscriptions.existing() if each.callback_url == wanted), None)
    subscription = there or subscriptions.subscribe(wanted, identity.verify_token())
    identity.remember_subscription(subscription.id)
    click.echo(f"{'Already subscribed' if there else 'Subscribed'}: {_shown(subscription, identity)}")


@command.command("list")
def list_subscriptions() -> None:
    """Show the subscription that Strava knows. One that leads to our path is used as ours from now on."""
    settings = Settings.from_environment()
    identity = _identity(settings)
    existing = Subscriptions(settings).existing()
    if not existing:
        click.echo("No subscription. Make one with: strava-assets webhook subscribe --callback-url URL")
    for subscription in existing:
        if identity.is_our_url(subscription.callback_url):
            # Strava's word counts, also where Redis lost the id.
            identity.remember_subscription(subscription.id)
        click.echo(_shown(subscription, identity))
    if refused := identity.refused():
        click.echo(f"Refused, because they named another subscription: {refused} events.")


@command.command("delete")
@click.argument("subscription_id", type=int, required=False, metavar="[ID]")
@click.option(
    "--delete-path",
    "--forget-path",  # its name until 0.1.0
    is_flag=True,
    help="Make another secret path for the next subscription.",
)
def delete(subscription_id: int | None, *, delete_path: bool) -> None:
    """End a subscription, by default the only one. Strava then sends no more events."""
    settings = Settings.from_environment()
    identity, subscriptions = _identity(settings), Subscriptions(settings)
    if delete_path:
        identity.delete_path()
    if subscription_id is None:
        existing = subscriptions.existing()
        if not existing:
            identity.delete_subscription()
            click.echo("There is no subscription.")
            return
        subscription_id = existing[0].id
    if not subscriptions.delete(subscription_id):
        raise PermanentError(f"Strava knows no subscription {subscription_id}. See: strava-assets webhook list")
    identity.delete_subscription()
    click.echo(f"Subscription {subscription_id} is deleted.")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _identity(settings: Settings) -> WebhookIdentity:
    return WebhookIdentity(open_redis(settings), settings.webhook_verify_token)


def _shown(subscription: Subscription, identity: WebhookIdentity) -> str:
    """The subscription without the secret path."""
    if not identity.is_our_url(subscription.callback_url):
        return f"{subscription.id}  {subscription.callback_url}  (not this receiver's path)"
    return f"{subscription.id}  {subscription.callback_url.rpartition('/')[0]}/..."
