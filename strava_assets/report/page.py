"""Makes the page: numbers written out, charts' specifications, style, script and charting library in one file."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from strava_assets.report.charts import charts
from strava_assets.report.data import ReportData, Row
from strava_assets.report.route_maps import CUT_METRES, maps
from strava_assets.report.units import Units, change, clock, hours, signed
from strava_assets.views.catalog import View, views

_FOLDER = files(__package__) / "page"
_SECTIONS = (
    ("totals", "Where you stand"),
    ("calendar", "Calendar"),
    ("weeks", "Weeks"),
    ("fitness", "Fitness"),
    ("load", "Load"),
    ("years", "Years"),
    ("eddington", "Eddington"),
    ("streaks", "Streaks"),
    ("records", "Records"),
    ("gear", "Gear"),
    ("times", "Times of day"),
    ("latest", "Latest"),
)
_HEADS = {"distance_km": "Distance", "moving_minutes": "Time", "elevation_m": "Climbing", "active_days": "Days"}


@dataclass(frozen=True)
class Tile:
    """A number at the top: what it is, the number, how it is computed, and what it compares with."""

    name: str
    value: str
    title: str
    note: str = ""


def page(data: ReportData) -> str:
    """The report as one HTML file that loads nothing from elsewhere."""
    drawn = charts(data)
    units = Units(data.athlete is not None and data.athlete["units"] == "imperial")
    routes = maps(data.polylines)
    html: str = _template().render(
        data=data,
        units=units,
        charts=drawn,
        maps=routes,
        cut=f"{CUT_METRES} m",
        tiles=_tiles(data, units),
        total={"activities": sum(year["activities"] for year in data.years)},
        basis=_basis(data),
        sections=[*_SECTIONS, *([("routes", "Routes")] if routes else [])],
        specs=_json({name: chart.spec for name, chart in drawn.items()}),
        style=Markup(_text("style.css")),  # noqa: S704 - our own files
        script=Markup(_text("script.js")),  # noqa: S704
        library=_library() if drawn else "",
    )
    return html


def _tiles(data: ReportData, units: Units) -> list[Tile]:
    if not data.days:
        return []
    today = data.days[-1]
    month_ago = data.days[-29] if len(data.days) > 28 else None  # noqa: PLR2004 - four weeks
    tiles = [
        Tile(
            name.capitalize(),
            write(today[name]),
            comment("day", name),
            f"{write(month_ago[name])} 28 days ago" if month_ago else "",
        )
        for name, write in (("fitness", "{:.1f}".format), ("fatigue", "{:.1f}".format), ("form", signed))
    ]
    this_year = next((row for row in data.years_to_date if row["year"] == today["year"]), None)
    last_year = next((row for row in data.years_to_date if row["year"] == today["year"] - 1), None)
    if this_year:
        until = "From 1 January to today's day of the year"
        tiles += [
            Tile(f"{today['year']}: {name}", write(this_year), f"{until}; {comment('year_to_date', column)}", note)
            for name, column, write in _figures(units)
            for note in [_compared(this_year, last_year, column, f"{today['year'] - 1} to the same day", write)]
        ]
    before = {row["days"]: row for row in data.recent if row["is_before"]}
    for row in data.recent:
        if not row["is_before"] and row["days"] in {7, 28}:
            note = _compared(row, before.get(row["days"]), "moving_minutes", f"the {row['days']} days before", _time)
            title = f"Up to and including today; {comment('recent', 'moving_minutes')}"
            tiles.append(Tile(f"Last {row['days']} days", _time(row), title, note))
    return tiles


def _figures(units: Units) -> list[tuple[str, str, Any]]:
    return [
        ("distance", "distance_km", units.distance),
        ("time", "moving_minutes", _time),
        ("climbing", "elevation_m", lambda row: units.height(row["elevation_m"])),
        ("load", "load", lambda row: f"{row['load']:,.0f}"),
    ]


def _time(row: Row) -> str:
    return hours(row["moving_minutes"])


def _compared(row: Row, before: Row | None, column: str, what: str, write: Any) -> str:  # noqa: ANN401 - a function of a row
    return f"{write(before)} in {what} {change(row[column], before[column])}".strip() if before else ""


def _basis(data: ReportData) -> str:
    """Which settings load was computed with, and which of them nobody has set."""
    if not (setting := data.setting):
        return ""
    named = {
        "hr_max": ("maximum heart rate", "{:.0f} bpm"),
        "hr_rest": ("resting heart rate", "{:.0f} bpm"),
        "hr_threshold": ("threshold heart rate", "{:.0f} bpm"),
        "ftp": ("FTP", "{:.0f} W"),
        "threshold_speed_run": ("running threshold", "{:.2f} m/s"),
        "threshold_speed_swim": ("swimming threshold", "{:.2f} m/s"),
    }
    guesses = [
        f"{name} {form.format(setting[column])}{' (guessed)' if column in setting['guessed'] else ''}"
        for column, (name, form) in named.items()
        if setting[column] is not None
    ]
    return f"Computed with {', '.join(guesses)}. Set what is guessed with: strava-assets athlete set."


def comment(view: str, column: str) -> str:
    """What a column of a view means: the words of its file, which the database's comments are made of, too."""
    return next(each.comment for each in _views()[view].columns if each.name == column)


@cache
def _views() -> Mapping[str, View]:
    return {view.name: view for view in views()}


@cache
def _template() -> Any:  # noqa: ANN401 - jinja2 has no public type for it
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    environment.globals.update(
        comment=comment,
        view=lambda name: _views()[name],
        hours=hours,
        clock=clock,
        head=lambda column: _HEADS.get(column, column.capitalize()),
    )
    return environment.from_string(_text("page.html"))


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed, packed: a third of their size, and a browser unpacks them in milliseconds."""
    return base64.b64encode((_FOLDER / "vega.js.gz").read_bytes()).decode()


def _json(value: object) -> Markup:
    """JSON that no activity's title can end the script element from."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c").replace("\u2028", "\\u2028"))  # noqa: S704 - escaped just here
