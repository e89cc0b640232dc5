"""A few rows of a window, as a Markdown table for people. It stays in Dagster's events, so it names nothing."""

from datetime import timedelta

from sqlalchemy import Connection, text

from strava_assets.hours import Window

ROWS = 10


def preview(connection: Connection, window: Window) -> str:
    """The newest rows of the window, all athletes together."""
    rows = connection.execute(
        text(
            "SELECT start_date, sport_type, distance, moving_time FROM strava_activity "
            "WHERE start_date >= :start AND start_date < :end ORDER BY start_date DESC LIMIT :rows"
        ),
        {"start": window.start, "end": window.end, "rows": ROWS},
    ).all()
    if not rows:
        return "No activities in these hours."
    lines = ["| start (UTC) | sport | km | time |", "|---|---|---|---|"]
    for row in rows:
        kilometres = "" if row.distance is None else f"{row.distance / 1000:.1f}"
        duration = "" if row.moving_time is None else str(timedelta(seconds=row.moving_time))
        lines.append(f"| {row.start_date:%Y-%m-%d %H:%M} | {row.sport_type or ''} | {kilometres} | {duration} |")
    return "\n".join(lines)
