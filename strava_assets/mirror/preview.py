"""A few rows of a window, as a Markdown table for people. It stays in Dagster's events, so it names nothing."""

from sqlalchemy import Connection, text

from strava_assets.hours import Window
from strava_assets.mirror.markdown import inert

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
        sport = inert(" ".join((row.sport_type or "").replace("|", "/").split()))
        lines.append(f"| {row.start_date:%Y-%m-%d %H:%M} | {sport} | {kilometres} | {_duration(row.moving_time)} |")
    return "\n".join(lines)


def _duration(seconds: int | None) -> str:
    """Hours, minutes and seconds; any number that the column holds, far beyond what a timedelta does."""
    if seconds is None:
        return ""
    minutes, rest = divmod(abs(seconds), 60)
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{rest:02}"
