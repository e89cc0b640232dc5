"""`strava-assets archive`: import Strava's bulk export, list what was imported, and delete it again."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Row

from strava_assets.archive.export import Export, open_export
from strava_assets.archive.importing import (
    RawArchive,
    Tracks,
    delete_archive,
    identify,
    keep_tracks,
    load_and_keep_tables,
)
from strava_assets.archive.loading import LoadedArchive
from strava_assets.archive.summary import lines
from strava_assets.cli.console import console, loading_dagster, print_table
from strava_assets.errors import ConfigurationError, StravaAssetsError
from strava_assets.local.own_command import up_command
from strava_assets.mirror.archive import archives, delete_not_on_strava, not_on_strava
from strava_assets.mirror.database import athlete_locked, transaction
from strava_assets.raw.archive_store import ArchiveStore
from strava_assets.services import open_archive_store, open_deletion, open_engine
from strava_assets.settings import Settings

_HEADINGS = ("archive", "athlete", "file", "header", "until", "activities", "rejects", "objects", "imported (UTC)")

ATHLETE = click.option("--athlete", "athlete_id", type=click.IntRange(min=1), metavar="ID", help="Whose export it is.")


@click.group("archive")
def command() -> None:
    """Import Strava's bulk export: years of history without the API.

    Strava sends it by mail: Settings, My Account, Download or Delete Your Account, Request Your Archive (this
    deletes nothing). It needs no API application, no login and no subscription, and can be combined with them:
    each activity is stored once, with the API's values if the API lists it.
    """


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@ATHLETE
@click.option("--with-files", is_flag=True, help="Keep the original recordings (FIT, GPX, TCX), too.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
def import_(path: Path, *, athlete_id: int | None, with_files: bool, dry_run: bool) -> None:
    """Import the zip that Strava sent, or its folder.

    PATH is the zip, or the folder that it was unpacked to. Only activities, gear and, with
    --with-files, the recordings are read and kept. Safe to interrupt and to repeat.
    """
    import_export(Settings.from_environment(), path, athlete_id, with_files=with_files, dry_run=dry_run)


def import_export(
    settings: Settings, path: Path, athlete_id: int | None = None, *, with_files: bool = False, dry_run: bool = False
) -> None:
    """Import an export, and say what became of it."""
    store, engine = open_archive_store(settings), open_engine(settings)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    out = console()
    with ExitStack() as held:  # to the end, so that a purge finds all of it
        export = held.enter_context(open_export(path))
        display = held.enter_context(Progress(*columns, console=out, transient=True, disable=not out.is_terminal))
        task = display.add_task(f"Reading {export.name}", total=None)
        raw = identify(export, athlete_id)
        held.enter_context(athlete_locked(engine, raw.athlete_id))
        display.update(task, description="Loading rows")
        oldest_kept = settings.oldest_archived(datetime.now(UTC))
        loaded = load_and_keep_tables(engine, store, export, raw, oldest_kept, dry_run=dry_run)
        tracks = None
        if with_files and not dry_run:
            size = sum(export.files.size(path) for path in export.tracks())
            display.update(task, description="Copying recordings", total=size)
            tracks = keep_tracks(store, export, raw, lambda copied: display.update(task, completed=copied))
        display.stop()
        _report(export, raw, loaded, tracks)
        if settings.is_simulated:
            click.echo(f"warning: {_simulated()}", err=True)
        if dry_run:
            click.echo("Nothing was written: this was a dry run.")
        else:
            _record(store, export, raw, loaded, tracks)


def _record(store: ArchiveStore, export: Export, raw: RawArchive, loaded: LoadedArchive, tracks: Tracks | None) -> None:
    """Show the import in Dagster, too; it is complete without."""
    with loading_dagster():
        from strava_assets.cli.dagster_runs import open_instance  # noqa: PLC0415
        from strava_assets.defs.archive import raw_metadata, record  # noqa: PLC0415
        from strava_assets.defs.names import Names  # noqa: PLC0415

    try:
        with open_instance() as instance:
            record(instance, Names(), raw_metadata(store, export, raw, tracks), {raw.archive: loaded})
    except StravaAssetsError as error:
        click.echo(f"warning: The rows are there, but Dagster does not show the import: {error}", err=True)


def _report(export: Export, raw: RawArchive, loaded: LoadedArchive, tracks: Tracks | None) -> None:
    for line in lines(export, raw, loaded, tracks):
        click.echo(line)
    for problem in tracks.damaged if tracks else ():
        click.echo(f"warning: {problem}", err=True)


@command.command("list")
def list_() -> None:
    """Show which exports were imported, and what is kept of each."""
    settings = Settings.from_environment()
    store = open_archive_store(settings)
    with transaction(open_engine(settings)) as connection:
        known = archives(connection)
    if known:
        print_table([_HEADINGS, *(_row(each, store.archive_files(each.athlete_id, each.archive)) for each in known)])
    else:
        click.echo("No export was imported yet. Import one: strava-assets archive import export_1234.zip")
    loaded = {(each.athlete_id, each.archive) for each in known}
    for athlete_id, archive in store.archives():
        if (athlete_id, archive) not in loaded:
            click.echo(f"{archive} of athlete {athlete_id} is in the bucket, but was not loaded: import it again.")


def _row(archive: Row[Any], files: dict[str, int]) -> tuple[str, ...]:
    return (
        archive.archive, str(archive.athlete_id), archive.name, f"{archive.language}, {archive.columns} columns",
        f"{archive.exported_at:%Y-%m-%d}", str(archive.activities), str(archive.rejects), str(len(files)),
        f"{archive.imported_at:%Y-%m-%d %H:%M}",
    )  # fmt: skip


@command.command("delete")
@click.argument("archive", required=False)
@ATHLETE
@click.option("--not-on-strava", is_flag=True, help="Instead: delete the rows that Strava's API does not list.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(archive: str | None, *, athlete_id: int | None, not_on_strava: bool, yes: bool) -> None:
    """Delete an export, or rows that Strava no longer has.

    An export is given by its name in `archive list`. Deletes its objects, with all versions, and the rows that only
    it has.

    With --not-on-strava: deletes, from all exports, the rows that the API does not list in hours that were fetched.
    They were deleted on Strava, or the login may not see them. They do not come back with a later import.
    """
    settings = Settings.from_environment()
    if not_on_strava == bool(archive):
        raise click.UsageError("Name one archive, or give --not-on-strava.")
    if not_on_strava:
        _delete_not_on_strava(settings, athlete_id, yes=yes)
        return
    owner, name = _find(settings, str(archive), athlete_id)
    if not yes:
        click.confirm(f"Delete the archive {name} of athlete {owner}, and the rows that only it has?", abort=True)
    engine = open_engine(settings)
    with athlete_locked(engine, owner):
        objects, rows = delete_archive(engine, open_archive_store(settings), open_deletion(settings), owner, name)
    click.echo(f"Deleted {objects} objects and {rows} rows.")


def _delete_not_on_strava(settings: Settings, athlete_id: int | None, *, yes: bool) -> None:
    engine = open_engine(settings)
    with transaction(engine) as connection:
        ids = not_on_strava(connection, athlete_id)
    if not ids:
        click.echo("Strava's API lists every activity of the archives, in the hours that were fetched.")
        return
    if not yes:
        some = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")  # noqa: PLR2004
        click.confirm(f"Delete {len(ids)} activities that Strava's API does not list ({some})?", abort=True)
    with transaction(engine) as connection:
        click.echo(f"Deleted {delete_not_on_strava(connection, athlete_id)} activities.")


def _find(settings: Settings, start: str, athlete_id: int | None) -> tuple[int, str]:
    """The one archive whose name begins so. Raises ConfigurationError where there is none, or more than one."""
    with transaction(open_engine(settings)) as connection:
        known = {(each.athlete_id, each.archive) for each in archives(connection)}
    known.update(open_archive_store(settings).archives())
    found = [each for each in sorted(known) if each[1].startswith(start) and athlete_id in {None, each[0]}]
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found) or 'No'} archives begin with {start!r}. `strava-assets archive list` shows them all."
        )
    return found[0]


def _simulated() -> str:
    return (
        "These servers belong to a simulated Strava, whose activities are there, too. To keep your own apart: "
        f"stop `{up_command()}`, then: {up_command(archive='export_1234.zip')}"
    )
