"""`strava-assets report`: an athlete's training report as one HTML file."""

import os
from pathlib import Path

import click

from strava_assets.cli.console import shown_in_browser
from strava_assets.errors import ConfigurationError
from strava_assets.mirror.database import transaction
from strava_assets.report.data import athletes
from strava_assets.report.making import make_report
from strava_assets.services import open_engine, open_redis
from strava_assets.settings import Settings
from strava_assets.state.report_links import ReportLinks


@click.command("report")
@click.option(
    "--athlete", "athlete_id", type=int, metavar="ID", help="Whose report; required if there are several athletes."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; by default training_report_<athlete>.html in this folder.",
)
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@click.option("--new-link", "renews", is_flag=True, help="Write no file; replace the athlete's link by a new one.")
def command(*, athlete_id: int | None, output: Path | None, opens: bool, renews: bool) -> None:
    """Write an athlete's training report: one HTML file that loads nothing from other sites.

    It holds titles, times and routes of the athlete's activities, private ones included: only you can read the file.
    """
    settings = Settings.from_environment()
    engine = open_engine(settings)
    with transaction(engine) as connection:
        known = athletes(connection)
    athlete_id = chosen(athlete_id, known)
    if renews:
        links = ReportLinks(open_redis(settings))
        links.delete(athlete_id)
        click.echo(
            f"Beside Dagster's pages, the report of athlete {athlete_id} is now: /reports/of/{links.word(athlete_id)}"
        )
        return
    file = output or Path(f"training_report_{athlete_id}.html")
    page = make_report(engine, athlete_id)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as written:
            written.write(page)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}. Name another: --output FILE") from None
    click.echo(f"The report of athlete {athlete_id} is in {file} ({len(page.encode()) / 1e6:.1f} MB).")
    if opens and not shown_in_browser(file.resolve().as_uri()):
        click.echo("There is no browser here to show it in.", err=True)


def chosen(athlete_id: int | None, known: list[int]) -> int:
    """The athlete who is meant. Raises ConfigurationError or UsageError, naming who is known, where nobody is."""
    if athlete_id is None and len(known) > 1:
        raise click.UsageError(
            f"There are several athletes ({', '.join(map(str, known))}): choose one with --athlete ID."
        )
    if athlete_id is None and not known:
        raise ConfigurationError("There is no activity yet. Fetch some with: strava-assets import")
    if athlete_id is not None and athlete_id not in known:
        there = ", ".join(map(str, known)) or "nobody"
        raise ConfigurationError(f"There is no activity of athlete {athlete_id}. There are activities of: {there}.")
    return known[0] if athlete_id is None else athlete_id
