"""`strava-assets compact`: free the space of deleted objects in the embedded S3."""

from pathlib import Path

import click

from strava_assets.local.compaction import compact_embedded_s3, empty_logs
from strava_assets.settings import Settings


@click.command("compact")
@click.option("--endpoint", metavar="URL", help="Endpoint of the S3 server; default: AWS_ENDPOINT_URL_S3.")
@click.option("--deleted", metavar="FOLDER", help="Bucket and key prefix: these names are removed, too.")
@click.option("--logs", is_flag=True, help="Empty the logs of all processes, too.")
def command(*, endpoint: str | None, deleted: str | None, logs: bool) -> None:
    """Free the space of deleted objects in the S3 server that `strava-assets up` runs in this folder.

    A purge and retention do so automatically. Does nothing to any other S3.
    """
    endpoint = Settings.from_environment().s3_endpoint_url if endpoint is None else endpoint
    if compact_embedded_s3(Path.cwd(), endpoint, deleted):
        click.echo("The embedded S3 no longer holds deleted objects.")
    else:
        click.echo("Nothing to do: no S3 that `strava-assets up` runs in this folder is in use.")
    if logs:
        empty_logs(Path.cwd())
