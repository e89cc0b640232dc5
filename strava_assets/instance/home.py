"""What Dagster's own commands do in a folder whose dagster.yaml only DAGSTER_HOME leads to."""

import os
from pathlib import Path

import click

REMEDY = "For the servers of `strava-assets up`, which has to run: set -a; . .local/env; set +a"


def require_home(folder: Path) -> None:
    """Raise, before runs go into a database for nothing, where `strava-assets up` made a home here that nobody named.

    Dagster's commands, which are click's, show it as a line.
    """
    home = folder / ".local" / "home" / "dagster.yaml"
    is_named = os.environ.get("DAGSTER_HOME") or os.environ.get("DATABASE_URL") or (folder / "dagster.yaml").exists()
    if home.exists() and not is_named:
        raise click.ClickException(f"DAGSTER_HOME is not set. {REMEDY}")
