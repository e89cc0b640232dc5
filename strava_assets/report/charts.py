"""The report's charts as Vega-Lite: what is drawn, from which rows. Colours come from the page's style.

https://vega.github.io/vega-lite/docs/
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from strava_assets.report.data import ReportData
from strava_assets.report.units import signed

Spec = dict[str, Any]

_MONTH_OF_WEEK = (
    "+slice(datum.value, 8) > 7 ? '' : utcFormat(utc(+slice(datum.value, 0, 4), +slice(datum.value, 5, 7) - 1), "
    "slice(datum.value, 5, 7) == '01' ? '%b %Y' : '%b')"
)
"""A month is written at the first week that begins in it."""

_COLOURS = 8
"""How many categories the page's style has colours for."""

_OTHERS = "other sports"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
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


def _day(field: str, first: str, last: str) -> Spec:
    """The encoding of local days from the first to the last: days have no time zone, so none is applied."""
    label = "utcFormat(datum.value, utcmonth(datum.value) == 0 ? '%b %Y' : '%b')"
    axis = {"title": None, "grid": False, "labelOverlap": True, "labelExpr": label}
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc", "domain": [{"expr": f"toDate('{day}')"} for day in (first, last)]},
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
    week, today = data.days[-1]["week"], data.days[-1]["day"]
    minutes = {row["day"]: row["moving_minutes"] for row in data.days}
    first = week.weekday()
    # From the first day of a week to today, the days before the first activity included.
    days = [today - timedelta(days=age) for age in reversed(range(52 * 7 + (today - week).days + 1))]
    rows = [
        {
            "day": day,
            "week": day - timedelta(days=(day.weekday() - first) % 7),
            "weekday": _WEEKDAYS[day.weekday()],
            "minutes": minutes.get(day, 0.0),
        }
        for day in days
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
    names = _most_used(data)
    hours_of: dict[tuple[date, str], float] = defaultdict(float)
    for row in data.weeks_by_sport:
        name = row["sport_group"] if row["sport_group"] in names else _OTHERS
        hours_of[row["week"], name] += row["moving_minutes"] / 60
    rows = [{"week": week, "sport": sport, "hours": hours} for (week, sport), hours in hours_of.items()]
    shown = [*names, *([_OTHERS] if any(row["sport"] == _OTHERS for row in rows) else [])]
    spec = _spec(
        rows,
        height=220,
        mark={"type": "bar"},
        encoding={
            "x": _week(data, 52),
            "y": {"field": "hours", "type": "quantitative", "stack": "zero", "axis": {"title": "hours a week"}},
            "color": {
                "field": "sport",
                "type": "nominal",
                "scale": {"domain": shown},
                "legend": {"title": None, "orient": "bottom", "columns": 4, "labelLimit": 110},
            },
            "tooltip": _tooltip(("week", "Week of", ""), ("sport", "Sport", ""), ("hours", "Hours", ",.1f")),
        },
    )
    hours = [row["moving_minutes"] / 60 for row in data.weeks]
    return Chart("weeks", f"Hours by week and sport: {sum(hours):,.1f} h in the last 52 weeks.", spec)


def _most_used(data: ReportData) -> list[str]:
    """The sports of the last year with the most time, as many as there are colours to tell them apart."""
    minutes: dict[str, float] = defaultdict(float)
    for row in data.weeks_by_sport:
        minutes[row["sport_group"]] += row["moving_minutes"]
    ordered = sorted(minutes, key=lambda name: (-minutes[name], name))
    return ordered if len(ordered) <= _COLOURS else ordered[: _COLOURS - 1]


def _fitness(data: ReportData) -> Chart:
    rows = [{name: row[name] for name in ("day", "fitness", "fatigue", "form")} for row in data.days]
    last = data.days[-1]
    year = [(last["day"] - timedelta(days=age)).isoformat() for age in (370, 0)]
    # A single day makes no line.
    line = {"type": "line", "interpolate": "monotone", "strokeWidth": 2, "point": len(rows) == 1}
    tooltip = _tooltip(
        ("day", "Day", "day"), ("fitness", "Fitness", ".1f"), ("fatigue", "Fatigue", ".1f"), ("form", "Form", "+.1f")
    )
    y = {"type": "quantitative", "axis": {"title": "load a day"}}
    spec = _spec(
        rows,
        "day",
        height=260,
        encoding={"x": _day("day", *year)},
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
    described = f"fitness {last['fitness']:.1f}, fatigue {last['fatigue']:.1f}, form {signed(last['form'])}"
    return Chart("fitness", f"Fitness, fatigue and form over the last year; today {described}.", spec)


def _load(data: ReportData) -> Chart:
    rows = [{name: row[name] for name in ("week", "load", "monotony")} for row in data.weeks]
    is_monotony_known = any(row["monotony"] is not None for row in rows)
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
        layer=[bars, line] if is_monotony_known else [bars],
    )
    loads = [row["load"] for row in data.weeks]
    mean = sum(loads) / len(loads)
    what = "Load by week (bars) with monotony (line)" if is_monotony_known else "Load by week"
    return Chart("load", f"{what}: {mean:,.0f} a week on average.", spec)


def _years(data: ReportData) -> Chart:
    is_imperial = data.athlete is not None and data.athlete["units"] == "imperial"
    column, unit = ("distance_miles", "mi") if is_imperial else ("distance_km", "km")
    rows, totals = [], dict.fromkeys({row["month"].year for row in data.months}, 0.0)
    shown = sorted(totals)[-6:]
    for row in data.months:
        year = row["month"].year
        totals[year] += row[column]
        if year in shown:
            rows.append({"year": str(year), "month": _MONTHS[row["month"].month - 1], "distance": totals[year]})
    last = max(totals)
    spec = _spec(
        rows,
        height=220,
        mark={"type": "line", "point": {"size": 20}, "interpolate": "monotone"},
        encoding={
            "x": {
                "field": "month",
                "type": "ordinal",
                "scale": {"type": "point", "domain": _MONTHS, "padding": 0.2},
                "axis": {"title": None, "labelAngle": 0, "labelOverlap": True},
            },
            "y": {"field": "distance", "type": "quantitative", "axis": {"title": f"{unit} since 1 January"}},
            "color": {"field": "year", "type": "nominal", "legend": {"title": None, "orient": "bottom"}},
            "strokeWidth": {"condition": {"test": f"datum.year == '{last}'", "value": 3}, "value": 1.5},
            "opacity": {"condition": {"test": f"datum.year == '{last}'", "value": 1}, "value": 0.65},
            "tooltip": _tooltip(("year", "Year", ""), ("month", "To the end of", ""), ("distance", unit, ",.0f")),
        },
    )
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
