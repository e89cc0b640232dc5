"""Create `strava_mirrored_object`, which remembers from which version of a raw object an hour's rows were made."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table. It is empty: the next comparisons fetch again what was mirrored before, once."""
    op.create_table(
        "strava_mirrored_object",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose raw object it is"),
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True, comment="Partition whose raw object it is"),
        sa.Column("etag", sa.Text, comment="ETag of the raw object that the rows of the hour were made from"),
        comment="Which version of each raw object the rows were made from; shows objects that never became rows",
    )
