"""Alembic's entry point: runs the migrations on the connection that `upgrade` opened."""

from alembic import context

from strava_assets.mirror.migrations import VERSION_TABLE
from strava_assets.mirror.table import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
