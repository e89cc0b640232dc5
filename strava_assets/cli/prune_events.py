"""`strava-assets prune-events`: delete the step-by-step events of old runs from Dagster's event log."""

from datetime import UTC, datetime, timedelta

import click

from strava_assets.cli.console import console, counted, loading_dagster
from strava_assets.settings import Settings


@click.command(name="prune-events")
@click.option("--older-than", type=click.IntRange(1, 36500), default=90, show_default=True, help="Days to keep.")
def command(older_than: int) -> None:
    """Delete the step-by-step events of old runs from Dagster's event log.

    Materialisations, checks, metadata and each run's result stay; the old runs' timelines and logs are deleted.
    """
    Settings.from_environment()  # what is wrong with one is better reported before anything is deleted
    with loading_dagster():
        from strava_assets.cli.dagster_runs import open_instance  # noqa: PLC0415
        from strava_assets.instance.event_pruning import prune_events  # noqa: PLC0415
    with console().status("Deleting events"), open_instance() as instance:
        count = prune_events(instance, datetime.now(UTC) - timedelta(days=older_than))
    click.echo(f"{counted(count, 'event')} older than {counted(older_than, 'day')} deleted.")
