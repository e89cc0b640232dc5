"""Say in plainer words what three comments say, as the models do now."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Change the comments."""
    op.alter_column(
        "strava_activity",
        "source",
        comment="api: from Strava's API; archive: from a bulk export, until the API lists it",
    )
    op.create_table_comment(
        "strava_archive_activity",
        "Activities of bulk exports with all their columns, also of those that Strava's API lists",
    )
    op.create_table_comment(
        "strava_deleted_activity",
        "Ids that the API listed once and no longer lists: no export brings them back",
    )
