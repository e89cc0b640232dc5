"""Create `strava_activity_reject`, where invalid activities are kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

TABLE = "strava_activity_reject"


def upgrade() -> None:
    """Create the table of rejects."""
    op.create_table(
        TABLE,
        sa.Column("athlete_id", sa.BigInteger, nullable=False, comment="Whose activity it is"),
        sa.Column("id", sa.BigInteger, comment="Strava's id, where the API sent a usable one"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="Partition whose raw object holds it"),
        sa.Column("digest", sa.Text, nullable=False, comment="Hash of the payload; shows changes"),
        sa.Column("payload", JSONB, nullable=False, comment="The activity as the API sent it"),
        sa.Column("errors", JSONB, nullable=False, comment="What is wrong with it, a sentence a fault"),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        comment="Activities that are no valid row of strava_activity, until they become valid",
    )
    op.create_index(f"uq_{TABLE}", TABLE, ["athlete_id", sa.text("coalesce(id::text, digest)")], unique=True)
