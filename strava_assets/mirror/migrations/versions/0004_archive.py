"""Create the tables of the bulk export, and say of each activity whether the API or an export states it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

SOURCE = "api: as Strava's API states it; archive: from a bulk export, until the API states it"


def upgrade() -> None:
    """All rows that are there are the API's."""
    op.add_column(
        "strava_activity",
        sa.Column("source", sa.Text, nullable=False, server_default=sa.text("'api'"), comment=SOURCE),
    )
    op.create_table_comment(
        "strava_activity",
        "Strava activities: a mirror of the raw objects, exact but for rows of bulk exports; kept by strava_assets",
    )
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "strava_archive",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose export it is"),
        sa.Column("archive", sa.Text, primary_key=True, comment="First 12 hex digits of activities.csv's SHA-256"),
        sa.Column("name", sa.Text, nullable=False, comment="File or folder that was imported"),
        sa.Column(
            "exported_at", moment, nullable=False, comment="Newest activity's start: of two archives the newer counts"
        ),
        sa.Column("language", sa.Text, nullable=False, comment="Language of the header"),
        sa.Column("columns", sa.Integer, nullable=False, comment="Columns of the header"),
        sa.Column("activities", sa.Integer, nullable=False, comment="Activities in it"),
        sa.Column("rejects", sa.Integer, nullable=False, comment="Rows that are no activity"),
        sa.Column("imported_at", moment, nullable=False, server_default=sa.func.now()),
        comment="Bulk exports that were imported",
    )
    op.create_table(
        "strava_archive_activity",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Strava's id"),
        sa.Column("athlete_id", sa.BigInteger, nullable=False, comment="Whose activity it is"),
        sa.Column("start_date", moment, nullable=False, comment="Start"),
        sa.Column("archive", sa.Text, nullable=False, comment="Archive that the row is from: the newest with the id"),
        sa.Column("exported_at", moment, nullable=False, comment="exported_at of that archive"),
        sa.Column(
            "file", sa.Text, comment="Name of the original track in the export; not cropped, no privacy zone applied"
        ),
        sa.Column(
            "columns", JSONB, nullable=False, comment="All filled columns, as they are written, by canonical name"
        ),
        sa.Column("activity", JSONB, nullable=False, comment="The row of strava_activity that it makes"),
        comment="Activities of bulk exports with all their columns, also of those that Strava's API states",
    )
    op.create_index(
        "ix_strava_archive_activity_athlete_id_start_date", "strava_archive_activity", ["athlete_id", "start_date"]
    )
    op.create_table(
        "strava_archive_reject",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose export it is"),
        sa.Column("archive", sa.Text, primary_key=True, comment="Archive that the row is in"),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False, comment="Line of activities.csv"),
        sa.Column("cells", JSONB, nullable=False, comment="The row's cells, as they are written"),
        sa.Column("errors", JSONB, nullable=False, comment="What is wrong with it, a sentence a fault"),
        comment="Rows of bulk exports that are no activity",
    )
    op.create_table(
        "strava_deleted_activity",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose activity it was"),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Strava's id"),
        sa.Column("deleted_at", moment, nullable=False, server_default=sa.func.now()),
        comment="Ids that the API stated and then no longer: no archive brings them back",
    )
