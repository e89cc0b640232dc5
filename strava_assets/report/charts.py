"""The report's charts as Vega-Lite: what is drawn, from which rows. Colours come from the page's style.

https://vega.github.io/vega-lite/docs/
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from strava_assets.report.data import ReportData

Spec = dict[str, Any]

_MONTH_OF_WEEK = (
    "+slice(datum.value, 8) > 7 ? '' : utcFormat(utc(+slice(datum.value, 0, 4), +slice(datum.value, 5, 7) - 1), "
    "slice(datum.value, 5, 7) == '01' ? '%b %Y' : '%b')"
)
"""A month is written at the first week that begins in it."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Chart:
    """A chart: its name on the page, what a screen reader says of it, and its specification with data."""

    name: str
    description: str
    spec: Spec


def charts(data: ReportData) -> dict[str, Chart]:
    """The charts that have something to show, by name."""
    if not data.days:
        return {}
    made = [_calendar(data), _weeks(data), _fitness(data), _load(data), _years(data)]
    if data.times_of_day:
        made.append(_times_of_day(data))
    return {chart.name: chart for chart in made}


def _spec(rows: Iterable[Mapping[str, Any]], *days: str, height: int, **rest: Any) -> Spec:  # noqa: ANN401 - JSON
    values = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return {
        "data": {"values": values, "format": {"parse": dict.fromkeys(days, "utc:'%Y-%m-%d'")}},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        **rest,
    }


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return round(value, 2) if isinstance(value, float) else value


def _day(field: str) -> Spec:
    """The encoding of a local day: days have no time zone, so none is applied."""
    label = "utcFormat(datum.value, utcmonth(datum.value) == 0 ? '%b %Y' : '%b')"
    axis = {"title": None, "grid": False, "labelOverlap": True, "labelExpr": label}
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": axis | {"tickCount": {"interval": "month", "step": 1}},
    }


def _week(data: ReportData, count: int) -> Spec:
    """The encoding of the last weeks, those without an activity and those before the first one included."""
    last = data.days[-1]["week"]
    return {
        "field": "week",
        "type": "ordinal",
        "scale": {"domain": [(last - timedelta(weeks=age)).isoformat() for age in reversed(range(count))]},
        "axis": {
            "title": None,
            "labelAngle": 0,
            "ticks": False,
            "domain": False,
            "labelExpr": _MONTH_OF_WEEK,
            "labelOverlap": "greedy",
        },
    }


def _tooltip(*fields: tuple[str, str, str]) -> list[Spec]:
    return [
        {"field": field, "title": title, "type": "temporal", "format": "%a %d %b %Y", "scale": {"type": "utc"}}
        if form == "day"
        else {"field": field, "title": title, "type": "quantitative", "format": form}
        if form
        else {"field": field, "title": title, "type": "nominal"}
        for field, title, form in fields
    ]


def _calendar(data: ReportData) -> Chart:
    first = data.days[-1]["week"].weekday()
    rows = [
        {
            "day": row["day"],
            "week": row["week"],
            "weekday": _WEEKDAYS[row["day"].weekday()],
            "minutes": row["moving_minutes"],
        }
        for row in data.days
        if row["week"] > data.days[-1]["week"] - timedelta(weeks=53)
    ]
    active = sum(row["activities"] > 0 for row in data.days[-365:])
    spec = _spec(
        rows,
        "day",
        height=130,
        mark={"type": "rect", "cornerRadius": 2, "fill": "#e8590c", "stroke": "currentColor", "strokeOpacity": 0.15},
        encoding={
            "x": _week(data, 53),
            "y": {
                "field": "weekday",
                "type": "ordinal",
                "scale": {"domain": [*_WEEKDAYS[first:], *_WEEKDAYS[:first]]},
                "axis": {"title": None, "ticks": False, "domain": False},
            },
            "fillOpacity": {
                "field": "minutes",
                "type": "quantitative",
                "scale": {"type": "threshold", "domain": [1, 30, 60, 120], "range": [0, 0.3, 0.5, 0.75, 1]},
                "legend": None,
            },
            "tooltip": _tooltip(("day", "Day", "day"), ("minutes", "Minutes", ",.0f")),
        },
    )
    return Chart("calendar", f"Calendar of the last year: {active} of its days have an activity.", spec)


def _weeks(data: ReportData) -> Chart:
    rows = [
        {"week": row["week"], "sport": row["sport_group"], "hours": row["moving_minutes"] / 60}
        for row in data.weeks_by_sport
    ]
    spec = _spec(
        rows,
        height=220,
        mark={"type": "bar"},
        encoding={
            "x": _week(data, 52),
            "y": {"field": "hours", "type": "quantitative", "stack": "zero", "axis": {"title": "hours a week"}},
            "color": {"field": "sport", "type": "nominal", "legend": {"title": None, "orient": "bottom", "columns": 4}},
            "tooltip": _tooltip(("week", "Week of", ""), ("sport", "Sport", ""), ("hours", "Hours", ",.1f")),
        },
    )
    hours = [row["moving_minutes"] / 60 for row in data.weeks]
    return Chart("weeks", f"Hours by week and sport: {sum(hours):,.1f} h in the last 52 weeks.", spec)


def _fitness(data: ReportData) -> Chart:
    rows = [{name: row[name] for name in ("day", "fitness", "fatigue", "form")} for row in data.days]
    last = data.days[-1]
    tooltip = _tooltip(
        ("day", "Day", "day"), ("fitness", "Fitness", ".1f"), ("fatigue", "Fatigue", ".1f"), ("form", "Form", "+.1f")
    )
    line = {"type": "line", "interpolate": "monotone", "strokeWidth": 2}
    y = {"type": "quantitative", "axis": {"title": "load a day"}}
    spec = _spec(
        rows,
        "day",
        height=260,
        encoding={"x": _day("day")},
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.35, "line": False},
                "encoding": {"y": {**y, "field": "form"}, "color": {"datum": "form"}, "tooltip": tooltip},
            },
            {"mark": line, "encoding": {"y": {**y, "field": "fitness"}, "color": {"datum": "fitness"}}},
            {
                "mark": {**line, "strokeWidth": 1, "strokeDash": [4, 2]},
                "encoding": {"y": {**y, "field": "fatigue"}, "color": {"datum": "fatigue"}},
            },
            {
                "mark": {"type": "rule", "opacity": 0.001, "strokeWidth": 6},
                "encoding": {"tooltip": tooltip},
            },
        ],
    )
    spec["encoding"]["color"] = {
        "type": "nominal",
        "scale": {"domain": ["fitness", "fatigue", "form"], "range": ["#1c7ed6", "#e8590c", "#2f9e44"]},
        "legend": {"title": None, "orient": "bottom", "symbolOpacity": 1, "symbolType": "square"},
    }
    described = f"fitness {last['fitness']:.1f}, fatigue {last['fatigue']:.1f}, form {last['form']:+.1f}"
    return Chart("fitness", f"Fitness, fatigue and form over the last year; today {described}.", spec)


def _load(data: ReportData) -> Chart:
    rows = [{name: row[name] for name in ("week", "load", "monotony")} for row in data.weeks]
    tooltip = _tooltip(("week", "Week of", ""), ("load", "Load", ",.0f"), ("monotony", "Monotony", ".2f"))
    bars = {
        "mark": {"type": "bar", "color": "#1c7ed6", "opacity": 0.6},
        "encoding": {
            "y": {"field": "load", "type": "quantitative", "axis": {"title": "load a week"}},
            "tooltip": tooltip,
        },
    }
    line = {
        "mark": {"type": "line", "color": "#e8590c", "point": {"color": "#e8590c", "size": 20}},
        "encoding": {
            "y": {"field": "monotony", "type": "quantitative", "axis": {"title": "monotony", "grid": False}},
            "tooltip": tooltip,
        },
    }
    spec = _spec(
        rows,
        height=200,
        resolve={"scale": {"y": "independent"}},
        encoding={"x": _week(data, 52)},
        layer=[bars, line] if any(row["monotony"] is not None for row in rows) else [bars],
    )
    loads = [row["load"] for row in data.weeks]
    mean = sum(loads) / len(loads)
    return Chart("load", f"Load by week (bars) with monotony (line): {mean:,.0f} a week on average.", spec)


def _years(data: ReportData) -> Chart:
    is_imperial = data.athlete is not None and data.athlete["units"] == "imperial"
    column, unit = ("distance_miles", "mi") if is_imperial else ("distance_km", "km")
    rows, totals = [], dict.fromkeys({row["month"].year for row in data.months}, 0.0)
    shown = sorted(totals)[-6:]
    for row in data.months:
        year = row["month"].year
        totals[year] += row[column]
        if year in shown:
            rows.append({"year": str(year), "month": row["month"].month, "distance": totals[year]})
    spec = _spec(
        rows,
        height=220,
        mark={"type": "line", "point": {"size": 20}, "interpolate": "monotone"},
        encoding={
            "x": {
                "field": "month",
                "type": "quantitative",
                "scale": {"domain": [1, 12], "nice": False},
                "axis": {"title": "to the end of month", "tickCount": 12, "format": "d", "grid": False},
            },
            "y": {"field": "distance", "type": "quantitative", "axis": {"title": f"{unit} since 1 January"}},
            "color": {"field": "year", "type": "nominal", "legend": {"title": None, "orient": "bottom"}},
            "tooltip": _tooltip(
                ("year", "Year", ""), ("month", "To the end of month", "d"), ("distance", unit, ",.0f")
            ),
        },
    )
    last = max(totals)
    return Chart("years", f"Distance since 1 January by year: {totals[last]:,.0f} {unit} in {last} so far.", spec)


def _times_of_day(data: ReportData) -> Chart:
    rows = [
        {"weekday": _WEEKDAYS[row["weekday"] - 1], "hour": row["hour"], "activities": int(row["activities"])}
        for row in data.times_of_day
    ]
    most = max(rows, key=lambda row: row["activities"])
    spec = _spec(
        rows,
        height=150,
        mark={"type": "rect", "cornerRadius": 2, "fill": "#1c7ed6"},
        encoding={
            "x": {
                "field": "hour",
                "type": "ordinal",
                "scale": {"domain": list(range(24))},
                "axis": {"title": "hour of the start", "labelAngle": 0, "labelOverlap": True},
            },
            "y": {"field": "weekday", "type": "ordinal", "scale": {"domain": _WEEKDAYS}, "axis": {"title": None}},
            "fillOpacity": {
                "field": "activities",
                "type": "quantitative",
                "scale": {"domainMin": 0, "range": [0.05, 1]},
                "legend": None,
            },
            "tooltip": _tooltip(("weekday", "Day", ""), ("hour", "Hour", "d"), ("activities", "Activities", "d")),
        },
    )
    return Chart(
        "times_of_day", f"When activities start; most often on {most['weekday']} at {most['hour']} o'clock.", spec
    )
