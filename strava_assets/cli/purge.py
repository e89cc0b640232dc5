"""`strava-assets purge`: delete everything that is kept of an athlete."""

from functools import partial
from pathlib import Path

import click

from strava_assets.cli.console import console, loading_dagster
from strava_assets.deletion.purge import STILL_HELD, Purger
from strava_assets.local.compaction import compact_embedded_s3, empty_logs
from strava_assets.services import open_deletion, open_engine, open_redis
from strava_assets.settings import Settings
from strava_assets.state.purged_ids import PurgedIds

NOTHING = (
    "Of athlete {} there is no token, no raw object and no row. `strava-assets athletes` lists who is logged in; "
    "--yes searches what Dagster has recorded nevertheless."
)


@click.command("purge")
@click.option("--athlete", "athlete_id", type=click.IntRange(min=1), required=True, metavar="ID", help="Whose data.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, athlete_id: int, yes: bool) -> None:
    """Delete everything that is kept of an athlete: token, raw objects with all versions, rows, and what Dagster has
    recorded about them. Then check that nothing is left.

    Safe to interrupt and to repeat. Two things are left to you: delete your backups, and, if the athlete has not
    withdrawn access on Strava, run `strava-assets logout` first.
    """
    settings = Settings.from_environment()
    redis = open_redis(settings)
    with loading_dagster():
        from strava_assets.cli.dagster_runs import open_instance  # noqa: PLC0415
        from strava_assets.instance.purge_redaction import PurgeRedaction  # noqa: PLC0415
    with open_instance() as instance:
        redaction = PurgeRedaction(instance)
        purger = Purger(
            open_engine(settings),
            open_deletion(settings),
            redis,
            redaction.at_once,
            redaction.at_the_end,
            partial(_compact, settings),
        )
        if not yes:
            kept = purger.count(athlete_id)
            if not kept and not PurgedIds(redis).of(athlete_id):
                click.echo(NOTHING.format(athlete_id))
                return
            click.confirm(f"Athlete {athlete_id}: {kept}. Delete all of it for good?", abort=True)
        with console().status("Deleting it, and rewriting the files that held it, which takes a minute"):
            deleted = purger.purge(athlete_id)
        click.echo(f"Athlete {athlete_id}: deleted {deleted}. Nothing is left.")
    click.echo(STILL_HELD)


def _compact(settings: Settings, deleted: str) -> None:
    compact_embedded_s3(Path.cwd(), settings.s3_endpoint_url, deleted)
    empty_logs(Path.cwd())
