"""Say in plain words what comments of tables and columns mean, as the models do now."""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = {
    "strava_activity": "Strava activities: an exact mirror of the raw objects, except for rows of bulk exports",
    "strava_activity_reject": "Invalid activities, until they become valid",
    "strava_archive_reject": "Rows of bulk exports that are not activities",
    "strava_athlete_setting": "Athletes' own settings; null: the value of an earlier row, else a guess from the data",
}
COLUMNS = {
    "strava_activity_reject": {"errors": "What is wrong with it, one sentence per error"},
    "strava_archive": {"rejects": "Rows that are not activities"},
    "strava_archive_reject": {"errors": "What is wrong with it, one sentence per error"},
    "strava_unlisted_activity": {
        "hour": "Hour in which the mirror has the activity and Strava no longer does",
        "decided_at": "When that was decided; valid for a day",
    },
}


def upgrade() -> None:
    """Change the comments."""
    for table, comment in TABLES.items():
        op.create_table_comment(table, comment)
    for table, columns in COLUMNS.items():
        for column, comment in columns.items():
            op.alter_column(table, column, comment=comment)
