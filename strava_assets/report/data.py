"""What a report shows, read from the views in one transaction: all its numbers are of the same moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

Row = Mapping[str, Any]

ROUTES_READ = 2000
"""Of this many of the newest outdoor activities the routes are read."""


@dataclass(frozen=True)
class ReportData:
    """An athlete's rows of each view, as the report needs them. Without activities, all of it is empty."""

    athlete_id: int
    athlete: Row | None
    setting: Row | None
    days: list[Row]
    """The last 371 days, oldest first."""
    weeks: list[Row]
    """The last 52 weeks, oldest first."""
    weeks_by_sport: list[Row]
    months: list[Row]
    years: list[Row]
    years_to_date: list[Row]
    recent: list[Row]
    eddington: list[Row]
    streaks: list[Row]
    """The current and the longest ones."""
    records: list[Row]
    predictions: list[Row]
    gear: list[Row]
    devices: list[Row]
    times_of_day: list[Row]
    latest: list[Row]
    sports: list[Row]
    """Sums of all time by sport group, most time first."""
    polylines: list[str]
    """Newest first."""

    @property
    def today(self) -> date | None:
        """The athlete's local day."""
        return self.athlete["today"] if self.athlete else None

    @property
    def names_garmin(self) -> bool:
        """Whether a device of Garmin's recorded something: Strava's terms want it named."""
        return any("garmin" in device["device_name"].lower() for device in self.devices)


_QUERIES = {
    "days": "SELECT * FROM strava_analytics.day WHERE athlete_id = :id AND day > :today - 371 ORDER BY day",
    "weeks": "SELECT * FROM strava_analytics.week WHERE athlete_id = :id AND week > :today - 52 * 7 ORDER BY week",
    "weeks_by_sport": "SELECT * FROM strava_analytics.week_by_sport WHERE athlete_id = :id AND week > :today - 52 * 7 "
    "ORDER BY week, sport_group",
    "months": "SELECT * FROM strava_analytics.month WHERE athlete_id = :id ORDER BY month",
    "years": "SELECT * FROM strava_analytics.year WHERE athlete_id = :id ORDER BY year DESC",
    "years_to_date": "SELECT * FROM strava_analytics.year_to_date WHERE athlete_id = :id ORDER BY year DESC LIMIT 2",
    "recent": "SELECT * FROM strava_analytics.recent WHERE athlete_id = :id ORDER BY days, is_before",
    "eddington": "SELECT * FROM strava_analytics.eddington WHERE athlete_id = :id AND unit = :unit AND eddington > 0 "
    "ORDER BY eddington DESC, sport_group",
    "streaks": "(SELECT DISTINCT ON (unit) *, false AS shows_current FROM strava_analytics.streak "
    "WHERE athlete_id = :id ORDER BY unit, length DESC, first_day DESC) UNION ALL "
    "SELECT *, true FROM strava_analytics.streak WHERE athlete_id = :id AND is_current ORDER BY unit, shows_current",
    "records": "SELECT record.*, activity.name FROM strava_analytics.record JOIN strava_activity AS activity "
    "ON activity.id = record.activity_id WHERE record.athlete_id = :id "
    "ORDER BY sport_group, distance_km NULLS FIRST, record",
    "predictions": "SELECT * FROM strava_analytics.race_prediction WHERE athlete_id = :id ORDER BY distance_km",
    "gear": "SELECT * FROM strava_analytics.gear_use WHERE athlete_id = :id ORDER BY last_day DESC, gear_id",
    "devices": "SELECT * FROM strava_analytics.device_use WHERE athlete_id = :id ORDER BY last_day DESC, device_name",
    "times_of_day": "SELECT weekday, hour, sum(activities) AS activities FROM strava_analytics.time_of_day "
    "WHERE athlete_id = :id GROUP BY weekday, hour ORDER BY weekday, hour",
    "latest": "SELECT * FROM strava_analytics.activity WHERE athlete_id = :id "
    "ORDER BY day DESC, start_local DESC NULLS LAST, activity_id DESC LIMIT 25",
    "sports": "SELECT sport_group, sum(activities) AS activities, sum(distance_km) AS distance_km, "
    "sum(distance_miles) AS distance_miles, sum(moving_minutes) AS moving_minutes, sum(elevation_m) AS elevation_m, "
    "sum(load) AS load FROM strava_analytics.year_by_sport WHERE athlete_id = :id GROUP BY sport_group "
    "ORDER BY moving_minutes DESC, sport_group",
}


def read(connection: Connection, athlete_id: int) -> ReportData:
    """Everything about the athlete; the transaction should be REPEATABLE READ."""
    athlete = _one(connection, "SELECT * FROM strava_analytics.athlete WHERE athlete_id = :id", id=athlete_id)
    values = {
        "id": athlete_id,
        "today": athlete and athlete["today"],
        "unit": "mile" if athlete and athlete["units"] == "imperial" else "km",
    }
    rows = {name: _all(connection, query, values) if athlete else [] for name, query in _QUERIES.items()}
    polylines = connection.scalars(
        text(
            "SELECT summary_polyline FROM strava_activity WHERE athlete_id = :id AND summary_polyline <> '' "
            "ORDER BY start_date DESC LIMIT :count"
        ),
        {"id": athlete_id, "count": ROUTES_READ},
    ).all()
    setting = _one(
        connection,
        "SELECT * FROM strava_analytics.athlete_setting WHERE athlete_id = :id ORDER BY valid_from DESC LIMIT 1",
        id=athlete_id,
    )
    return ReportData(athlete_id=athlete_id, athlete=athlete, setting=setting, polylines=list(polylines), **rows)


def athletes(connection: Connection) -> list[int]:
    """The athletes that have activities."""
    query = "SELECT DISTINCT athlete_id FROM strava_activity WHERE athlete_id IS NOT NULL ORDER BY athlete_id"
    return list(connection.scalars(text(query)))


def _all(connection: Connection, query: str, values: Mapping[str, object]) -> list[Row]:
    used = {name: value for name, value in values.items() if f":{name}" in query}
    return [dict(row) for row in connection.execute(text(query), used).mappings()]


def _one(connection: Connection, query: str, **values: object) -> Row | None:
    return next(iter(_all(connection, query, values)), None)
