"""`strava-assets purge`: delete everything that is kept of an athlete."""

import click

from strava_assets.cli.console import console, loading_dagster
from strava_assets.deletion.purge import STILL_HELD
from strava_assets.settings import Settings
from strava_assets.state.purged_ids import PurgedIds

NOTHING = (
    "There is no token, raw object or row of athlete {}. `strava-assets athletes` lists who is logged in; "
    "--yes searches what Dagster has recorded all the same."
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
    with loading_dagster():
        from strava_assets.cli.dagster_runs import open_instance  # noqa: PLC0415
        from strava_assets.defs.purging import make_purger  # noqa: PLC0415
        from strava_assets.defs.resources import Resources  # noqa: PLC0415
    with open_instance() as instance:
        purger = make_purger(settings, Resources.of(settings), instance)
        if not yes:
            kept = purger.count(athlete_id)
            if not kept and not PurgedIds(purger.redis).of(athlete_id):
                click.echo(NOTHING.format(athlete_id))
                return
            click.confirm(f"Athlete {athlete_id}: {kept}. Delete all of it for good?", abort=True)
        with console().status("Deleting it, and rewriting the files that held it, which takes a minute"):
            deleted = purger.purge(athlete_id)
        click.echo(f"Athlete {athlete_id}: deleted {deleted}. Nothing is left.")
    click.echo(STILL_HELD)
