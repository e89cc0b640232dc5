"""`strava-assets reconcile`: compare the whole history with Strava, and refresh the hours that differ."""

from datetime import UTC, datetime

import click
from rich.table import Table

from strava_assets.cli.console import console, counted, loading_dagster
from strava_assets.cli.day import Day
from strava_assets.errors import TooManyDeletions, TransientError
from strava_assets.hours import Window, partition_key
from strava_assets.mirror.database import transaction
from strava_assets.mirror.unlisted import wait_for_confirmation, waiting_deletions
from strava_assets.services import open_client, open_engine, open_store
from strava_assets.settings import Settings
from strava_assets.sync.before_start_date import all_before_start_date
from strava_assets.sync.compare import Comparison, make_comparer

SHOWN = 50
"""Rows of the table of differences; the rest is counted."""


@click.command(name="reconcile")
@click.option("--dry-run", is_flag=True, help="Only show what differs.")
@click.option("--athlete", type=int, help="Compare only this athlete.")
@click.option(
    "--confirm-deletions",
    is_flag=True,
    help="Delete everything that Strava no longer lists, even if it is much. Needs --athlete.",
)
@click.option("--from", "first", type=Day(), help="First day (UTC); default: STRAVA_START_DATE.")
def command(*, dry_run: bool, athlete: int | None, confirm_deletions: bool, first: datetime | None) -> None:
    """Compare the whole history with Strava, and refresh the hours that differ.

    Uses one API request per 200 activities, plus one. Each refreshed range uses as many for its activities.
    """
    if confirm_deletions and athlete is None:
        raise click.UsageError("--confirm-deletions needs --athlete ID, so that it is about one athlete's rows.")
    settings = Settings.from_environment()
    out = console()
    window = settings.hours_since(first.replace(tzinfo=UTC) if first else settings.start_date, datetime.now(UTC))
    confirmed = athlete if confirm_deletions else None
    with out.status("Listing the history"), open_client(settings, on_wait=out.print) as client:
        comparer = make_comparer(client, open_store(settings), open_engine(settings), settings.max_delete_share)
        comparison = comparer.compare(window, confirmed=confirmed, only=athlete)
        kept = settings.oldest_kept(datetime.now(UTC))
        earlier = [] if first else all_before_start_date(client, settings.start_date, kept)
    for problem in comparison.problems:
        click.echo(f"warning: {problem}", err=True)
    for line in earlier:
        click.echo(line)
    failed: list[Window] = []
    if comparison.windows:
        out.print(_table(comparison))
        if not dry_run:
            with loading_dagster():
                from strava_assets.cli.refreshing import refresh  # noqa: PLC0415
            failed = refresh(settings, comparison)
            comparison.held_back |= _found_to_be_many(settings, comparison)
    elif not comparison.problems:
        click.echo(f"{counted(comparison.listed, 'activity', 'activities')} compared: nothing differs.")
    _end(comparison, failed)


def _found_to_be_many(settings: Settings, comparison: Comparison) -> dict[int, TooManyDeletions]:
    """The athletes of whom deletions wait that only the refresh found: of objects that the mirror did not know."""
    with transaction(open_engine(settings)) as connection:
        waiting = waiting_deletions(connection)
    return {
        athlete_id: TooManyDeletions(wait_for_confirmation(athlete_id, count), athlete_id)
        for athlete_id, count in waiting.items()
        if athlete_id in comparison.differences and athlete_id not in comparison.held_back
    }


def _end(comparison: Comparison, failed: list[Window]) -> None:
    """Raise what the command ends with, where something was left: TransientError if that may pass."""
    if failed:
        raise TransientError(
            f"Not refreshed: {', '.join(map(str, failed))}; the reasons are above. Run the same command again."
        )
    left = [*comparison.left_out, *comparison.errors.values(), *comparison.held_back.values()]
    left += [gap.error for gaps in comparison.gaps.values() for gap in gaps]
    if left:
        raise next((error for error in left if isinstance(error, TransientError)), left[0])


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
