"""Makes athletes' reports: reads everything at one moment, writes the page, and keeps it in the bucket."""

from sqlalchemy import Connection, Engine, text

from strava_assets.mirror.database import athlete_locked, transaction
from strava_assets.raw.report_store import ReportStore
from strava_assets.report.data import athletes, read
from strava_assets.report.page import page


def make_report(engine: Engine, athlete_id: int) -> str:
    """The athlete's report as HTML. Raises ConfigurationError where the views are missing."""
    with transaction(engine) as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        # Where Postgres has a compiler for queries, it takes longer than these do.
        connection.execute(text("SET LOCAL jit = off"))
        data = read(connection, athlete_id)
    return page(data)


def store_report(engine: Engine, store: ReportStore, athlete_id: int) -> int:
    """Make the athlete's report and keep it; its bytes, or 0 where the athlete was purged meanwhile."""
    made = make_report(engine, athlete_id)
    # A purge that began earlier ends first, and takes the rows with it; one that begins later finds the report.
    with athlete_locked(engine, athlete_id):
        with transaction(engine) as connection:
            if athlete_id not in athletes(connection):
                return 0
        store.write_report(athlete_id, made)
    return len(made.encode())


def fingerprint(connection: Connection) -> str:
    """Changes when something changes that a report shows: rows, settings, groups of sports, or the day."""
    return str(
        connection.scalar(
            text(
                "SELECT md5(concat_ws(' ', current_date, "
                "(SELECT count(*) FROM strava_activity), "
                "(SELECT sum(hashtextextended(concat_ws(' ', id, digest, source), 0)) FROM strava_activity), "
                "(SELECT string_agg(each::text, ' ' ORDER BY each) FROM strava_athlete_setting AS each), "
                "(SELECT string_agg(each::text, ' ' ORDER BY each) FROM strava_athlete_preference AS each), "
                "(SELECT string_agg(each::text, ' ' ORDER BY each) FROM strava_sport_group AS each)))"
            )
        )
    )
