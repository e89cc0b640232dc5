"""`strava-assets athlete set|show`: heart rates, FTP, threshold speeds, and how numbers are shown."""

from datetime import date, datetime
from typing import Any

import click
from sqlalchemy import text

from strava_assets.cli.day import Day
from strava_assets.cli.report import chosen
from strava_assets.mirror.database import transaction
from strava_assets.report.data import athletes
from strava_assets.services import open_engine
from strava_assets.settings import Settings
from strava_assets.views.athlete_settings import default_day, heart_rates_out_of_order, set_preferences, set_values


class _Range(click.FloatRange):
    """A number in a range; `nan` is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        number: float = super().convert(value, param, ctx)
        if number != number:  # noqa: PLR0124 - only nan is not itself
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


_HEART = _Range(20, 300)
_SPEED = _Range(0.1, 20)
_PREFERENCES = ("units", "week_start", "counts_duplicates")


@click.group("athlete")
def command() -> None:
    """Set and show the values for training load (heart rates, FTP, threshold speeds), and units."""


@command.command("set")
@click.option(
    "--athlete", "athlete_id", type=int, metavar="ID", help="Whose values; required if there are several athletes."
)
@click.option(
    "--from",
    "valid_from",
    type=Day(),
    help="First day on which the values apply; default: today. First values apply to the whole history.",
)
@click.option("--hr-max", type=_HEART, help="Maximum heart rate, beats per minute.")
@click.option("--hr-rest", type=_HEART, help="Resting heart rate, beats per minute.")
@click.option("--hr-threshold", type=_HEART, help="Heart rate that can be held for an hour, beats per minute.")
@click.option("--ftp", type=_Range(1, 3000), help="Functional threshold power, watts.")
@click.option("--threshold-speed-run", type=_SPEED, help="Speed that can be run for an hour, metres per second.")
@click.option("--threshold-speed-swim", type=_SPEED, help="Speed that can be swum for an hour, metres per second.")
@click.option("--sex", type=click.Choice(["female", "male"]), help="Decides how heart rate is weighted.")
@click.option("--weight", type=_Range(10, 500), help="Body weight, kilograms.")
@click.option("--units", type=click.Choice(["metric", "imperial"]), help="What the report shows.")
@click.option("--week-start", type=click.Choice(["monday", "saturday", "sunday"]), help="First day of the week.")
@click.option("--counts-duplicates", type=bool, help="Whether activities recorded twice count twice (yes or no).")
def set_command(
    *,
    athlete_id: int | None,
    valid_from: datetime | None,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Set values that apply from a day on. Values that nobody set are guessed from the data, and marked as guessed."""
    values = {name: value for name, value in options.items() if value is not None}
    preferences = {name: values.pop(name) for name in _PREFERENCES if name in values}
    if not values and not preferences:
        raise click.UsageError("Nothing to set. See: strava-assets athlete set --help")
    with transaction(open_engine(Settings.from_environment())) as connection:
        athlete_id = chosen(athlete_id, athletes(connection))
        if preferences:
            set_preferences(connection, athlete_id, preferences)
        if not values:
            click.echo(f"Athlete {athlete_id}: {_listed(preferences)}.")
            return
        day = valid_from.date() if valid_from else default_day(connection, athlete_id)
        set_values(connection, athlete_id, day, values)
        if wrong := heart_rates_out_of_order(connection, athlete_id):
            raise click.UsageError(
                f"From {_named(wrong)} on, resting, threshold and maximum heart rate would not be in this order. "
                f"See: strava-assets athlete show --athlete {athlete_id}"
            )
    click.echo(f"Athlete {athlete_id}, from {_named(day)} on: {_listed({**values, **preferences})}.")


@command.command("show")
@click.option(
    "--athlete", "athlete_id", type=int, metavar="ID", help="Whose values; required if there are several athletes."
)
def show_command(*, athlete_id: int | None) -> None:
    """Show which values apply from which day, and which of them are guessed."""
    with transaction(open_engine(Settings.from_environment())) as connection:
        athlete_id = chosen(athlete_id, athletes(connection))
        periods = connection.execute(
            text("SELECT * FROM strava_analytics.athlete_setting WHERE athlete_id = :id ORDER BY valid_from"),
            {"id": athlete_id},
        ).mappings()
        for period in periods:
            click.echo(f"from {_named(period['valid_from'])} on:")
            for name, unit in _UNITS.items():
                click.echo(f"  {name:<21}{_shown(period[name], unit, is_guessed=name in period['guessed'])}")
        preference = connection.execute(
            text("SELECT units, week_start, counts_duplicates FROM strava_analytics.athlete WHERE athlete_id = :id"),
            {"id": athlete_id},
        ).one()
    click.echo(
        f"Athlete {athlete_id}: {preference.units} units, weeks start on {preference.week_start.capitalize()}, "
        f"duplicates count {'twice' if preference.counts_duplicates else 'once'}."
    )


_UNITS = {
    "hr_max": "bpm",
    "hr_rest": "bpm",
    "hr_threshold": "bpm",
    "ftp": "W",
    "threshold_speed_run": "m/s",
    "threshold_speed_swim": "m/s",
    "sex": "",
    "weight": "kg",
}


def _shown(value: object, unit: str, *, is_guessed: bool) -> str:
    if value is None:
        return "not set: as for men" if is_guessed else "not known"  # the weights of heart rate differ by sex
    shown = f"{value:.4g} {unit}" if isinstance(value, float) else f"{value} {unit}".rstrip()
    return f"{shown} (guessed)" if is_guessed else shown


def _named(day: date) -> str:
    return "the beginning" if day == date.min else str(day)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {_shown(value, _UNITS.get(name, ''), is_guessed=False)}" for name, value in values.items()
    )
