"""`strava-assets init`: create and migrate both databases, create the bucket. Safe to repeat."""

import click

from strava_assets.provisioning import initialise
from strava_assets.settings import Settings


@click.command(name="init")
def command() -> None:
    """Create and migrate both databases, create the bucket. Safe to repeat."""
    for line in initialise(Settings.from_environment()):
        click.echo(line)
