"""Create `strava_unlisted_activity`: what Strava no longer lists, and whether it may be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "strava_unlisted_activity",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose activity it is"),
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True, comment="Where it is here and no longer there"),
        sa.Column("key", sa.Text, primary_key=True, comment="Strava's id, or the digest of an activity without one"),
        sa.Column("may_be_deleted", sa.Boolean, nullable=False, comment="False: waits for a confirmation"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        comment="Activities that the athlete's whole listing lacks in an hour, and whether they may be deleted there",
    )
