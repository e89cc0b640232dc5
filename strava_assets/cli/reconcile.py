"""`strava-assets reconcile`: compare the whole history with Strava, and refresh the hours that differ."""

from datetime import UTC, datetime

import click
from rich.table import Table

from strava_assets.cli.console import console
from strava_assets.cli.dagster_runs import materialise, open_instance
from strava_assets.defs.run_tags import CONFIRMED_TAG
from strava_assets.errors import TransientError
from strava_assets.hours import partition_key
from strava_assets.mirror.database import engine_for
from strava_assets.services import open_client, open_store
from strava_assets.settings import Settings
from strava_assets.sync.compare import Comparer, Comparison

SHOWN = 50
"""Rows of the table of differences; the rest is counted."""


@click.command(name="reconcile", help=__doc__)
@click.option("--dry-run", is_flag=True, help="Only show what differs.")
@click.option("--athlete", type=int, help="Look at this athlete alone.")
@click.option(
    "--confirm-deletions",
    is_flag=True,
    help="Believe that everything which Strava no longer lists is really gone. Needs --athlete.",
)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC); default: all.")
def command(*, dry_run: bool, athlete: int | None, confirm_deletions: bool, first: datetime | None) -> None:
    """Costs one API request per 200 activities and one more; each refreshed range about as much again."""
    if confirm_deletions and athlete is None:
        raise click.UsageError("--confirm-deletions needs --athlete ID, so that it is about one athlete's rows.")
    settings = Settings.from_environment()
    out = console()
    window = settings.hours_since(first.replace(tzinfo=UTC) if first else settings.start_date, datetime.now(UTC))
    confirmed = athlete if confirm_deletions else None
    with out.status("Listing the history"), open_client(settings, on_wait=out.print) as client:
        comparer = Comparer(client, open_store(settings), engine_for(settings.database_url), settings.max_delete_share)
        comparison = comparer.compare(window, confirmed=confirmed, only=athlete)
    for trouble in comparison.errors.values():
        click.echo(f"warning: {trouble}", err=True)
    if not comparison.windows:
        out.print(f"{comparison.listed} activities compared: nothing differs.")
        return
    out.print(_table(comparison))
    if not dry_run:
        _refresh(comparison, confirmed)


def _refresh(comparison: Comparison, confirmed: int | None) -> None:
    tags = {CONFIRMED_TAG: str(confirmed)} if confirmed is not None else {}
    with open_instance() as instance:
        for window in comparison.windows:
            with console().status(f"Refreshing {window}"):
                problem = materialise(instance, window, tags)
            if problem:
                raise TransientError(f"Refreshing {window} failed: {problem}")
            click.echo(f"refreshed {window}")


def _table(comparison: Comparison) -> Table:
    rows = [
        (str(athlete_id), kind, str(key), ", ".join(map(partition_key, sorted(hours))))
        for athlete_id, found in comparison.differences.items()
        for kind, activities in found.by_kind().items()
        for key, hours in activities.items()
    ]
    table = Table("athlete", "difference", "activity", "hours", caption=f"{len(rows)} differences")
    for row in rows[:SHOWN]:
        table.add_row(*row)
    if len(rows) > SHOWN:
        table.add_row("", "", f"... and {len(rows) - SHOWN} more", "")
    return table
