"""Say what five columns of moments mean, and one in plainer words, as the models do now."""

from alembic import op

revision = "0008"
down_revision = "0007"

COMMENTS = {
    "strava_activity": {"digest": "Hash of what Strava returned, social counters aside; shows changes"},
    "strava_activity_reject": {"first_seen": "When it was rejected first", "last_seen": "When a load rejected it last"},
    "strava_archive": {"imported_at": "When it was imported last"},
    "strava_deleted_activity": {"deleted_at": "When a load found it gone"},
    "strava_unlisted_activity": {"decided_at": "When that was decided; not relied on after a day"},
}


def upgrade() -> None:
    """Change the comments."""
    for table, columns in COMMENTS.items():
        for column, comment in columns.items():
            op.alter_column(table, column, comment=comment)
