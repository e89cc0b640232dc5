"""`strava-assets import`: the whole history, or a part of it, in one run."""

import time
from datetime import UTC, datetime, timedelta

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from strava_assets.cli.console import console, counted, loading_dagster
from strava_assets.cli.day import Day
from strava_assets.errors import StravaAssetsError, TransientError
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.database import transaction
from strava_assets.mirror.queries import days_with_activities
from strava_assets.services import open_client, open_engine, open_redis, open_store
from strava_assets.settings import Settings
from strava_assets.state.pending_import import PendingImport
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import TokenStore
from strava_assets.sync.before_start_date import all_before_start_date
from strava_assets.sync.fetch import make_fetcher
from strava_assets.sync.history_import import Progress as ImportProgress
from strava_assets.sync.history_import import import_history, recorded_windows
from strava_assets.sync.listing import sentences


@click.command(name="import")
@click.option("--from", "first", type=Day(), help="First day (UTC); default: STRAVA_START_DATE.")
@click.option("--to", "last", type=Day(), help="Last day (UTC); default: today.")
def command(first: datetime | None, last: datetime | None) -> None:
    """Fetch the whole history, or a part of it, in one run.

    Fetches and mirrors the days, then records them in Dagster. Safe to interrupt and to run again. The
    rows can be queried as soon as the first part is done, seconds after the start.
    """
    settings = Settings.from_environment()
    requested = requested_window(settings, first, last, datetime.now(UTC))
    redis = open_redis(settings)
    athlete_ids = [athlete.id for athlete in TokenStore(redis).athletes()]
    fetched_import = PendingImport(redis, first, last, athlete_ids)
    started = time.monotonic()
    left: list[StravaAssetsError] = []
    sums: dict[str, int] = {}
    if windows := fetched_import.windows():
        hours = ", ".join(map(str, windows))
        click.echo(f"The data of {hours} was fetched by an earlier try; it only has to be recorded in Dagster.")
    else:
        sums, left = _fetch(settings, requested)
        # The hour in progress is recorded when it is over.
        end = min(requested.end, floor_to_hour(datetime.now(UTC)))
        if requested.start < end:
            with transaction(open_engine(settings)) as connection:
                windows = recorded_windows(
                    Window(requested.start, end), days_with_activities(connection, Window(requested.start, end))
                )
        if not left:
            fetched_import.remember(windows)
        click.echo(f"All rows can be queried after {time.monotonic() - started:.1f} s.")
    with loading_dagster():
        from strava_assets.cli.recording import record  # noqa: PLC0415
    for window in windows:
        record(window, sums if window == windows[-1] else {})
    fetched_import.delete()
    click.echo(f"Done after {time.monotonic() - started:.1f} s.")
    if left:
        raise next((error for error in left if isinstance(error, TransientError)), left[0])


def requested_window(settings: Settings, first: datetime | None, last: datetime | None, now: datetime) -> Window:
    """The days asked for, within the partitions and not after the hour in progress."""
    earliest = settings.first_hour(now)
    start = max(first.replace(tzinfo=UTC) if first else earliest, earliest)
    end = floor_to_hour(now) + HOUR
    if last and last.date() < now.date():  # the last day that there is has none after it
        end = min(end, last.replace(tzinfo=UTC) + timedelta(days=1))
    if first and last and first > last:
        raise click.UsageError(f"--from {first:%Y-%m-%d} lies after --to {last:%Y-%m-%d}.")
    if start >= end and first and first > now.replace(tzinfo=None):
        raise click.UsageError(f"--from {first:%Y-%m-%d} lies in the future.")
    if start >= end:
        raise click.UsageError(
            f"There are no hours from {start:%Y-%m-%d} to {last or now:%Y-%m-%d}. "
            f"The first partition is {earliest:%Y-%m-%d}; STRAVA_START_DATE moves it."
        )
    return Window(start, end)


def _fetch(settings: Settings, requested: Window) -> tuple[dict[str, int], list[StravaAssetsError]]:
    """Fetch and mirror; what was done in numbers, and what kept a part from being imported."""
    # Columns of rich cut their text off at the terminal's edge; one of its own making wraps it.
    columns = (SpinnerColumn(), TextColumn("{task.description}", table_column=Column()), TimeElapsedColumn())
    with Progress(*columns, console=console()) as display:
        task = display.add_task("Asking Strava")

        def wait(message: str) -> None:
            display.console.print(message)

        with open_client(settings, on_wait=wait) as client:

            def show(progress: ImportProgress) -> None:
                display.update(task, description=_described(progress, client))

            store, engine, redis = open_store(settings), open_engine(settings), open_redis(settings)
            fetcher = make_fetcher(client, store, engine, redis, settings.max_delete_share)
            fetched, progress = import_history(fetcher, requested, show)
            now = datetime.now(UTC)
            of_all = requested.start <= settings.first_hour(now)
            earlier = all_before_start_date(client, settings.start_date, settings.oldest_kept(now)) if of_all else []
            display.update(task, description=_described(progress, client))
    if fetched.assigned:
        click.echo(f"Assigned {fetched.assigned} rows of the Airflow DAG to their athlete.")
    for athlete_id, reached in fetched.resumed.items():
        click.echo(
            f"Athlete {athlete_id}: everything before {reached:%Y-%m-%d %H:%M} UTC was fetched by an earlier try."
        )
    left = [*fetched.left_out, *fetched.errors.values(), *fetched.held_back.values()]
    for problem in [*left, *(sentence for whom, gaps in fetched.gaps.items() for sentence in sentences(whom, gaps))]:
        click.echo(f"warning: {problem}", err=True)
    left += [gap.error for gaps in fetched.gaps.values() for gap in gaps]
    for line in earlier:
        click.echo(line)
    loaded = progress.loaded
    click.echo(
        f"{loaded.inserted} inserted, {loaded.updated} updated, {loaded.deleted} deleted, "
        f"{loaded.unchanged} unchanged, {loaded.rejected} rejected; "
        f"{fetched.written.objects} objects written; {client.requests_made} API requests."
    )
    sums = {
        "activities": progress.activities,
        "objects_written": fetched.written.objects,
        "objects_unchanged": fetched.written.unchanged,
        "api_requests": client.requests_made,
        **{name: getattr(loaded, name) for name in ("inserted", "updated", "deleted", "unchanged")},
    }
    return sums, left


def _described(progress: ImportProgress, client: StravaClient) -> str:
    reached = f", up to {progress.reached:%Y-%m-%d}" if progress.reached else ""
    pages, found = counted(progress.pages, "page"), counted(progress.activities, "activity", "activities")
    return f"{pages}, {found}{reached}; {client.quota()}"
