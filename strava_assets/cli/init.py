"""`strava-assets init`: create and migrate both databases, create the bucket. Safe to repeat."""

import click

from strava_assets.cli.console import console
from strava_assets.provisioning import initialise
from strava_assets.settings import Settings


@click.command(name="init")
def command() -> None:
    """Create and migrate both databases, create the bucket. Safe to repeat."""
    out = console()
    with out.status("Checking databases and bucket"):
        for line in initialise(Settings.from_environment()):
            out.print(line, markup=False, soft_wrap=True)
