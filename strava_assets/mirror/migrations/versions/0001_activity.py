"""Create `strava_activity`, or adopt the one that the old Airflow DAG filled.

The old table has twelve of the columns: id INTEGER or BIGINT, name VARCHAR(100), start_date without
time zone, average_speed INTEGER. It is widened in place, no row is lost. Its values are not trusted:
the first import of the history repairs them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLE = "strava_activity"
_INTEGER, _TEXT, _FLAG = sa.BigInteger(), sa.Text(), sa.Boolean()
_NUMBER: sa.types.TypeEngine[Any] = sa.Double()
_MOMENT, _WALL_CLOCK = sa.DateTime(timezone=True), sa.DateTime(timezone=False)

# As they were at this revision: later changes of the model come with migrations of their own.
COLUMNS: dict[str, tuple[sa.types.TypeEngine[Any], str]] = {
    "id": (_INTEGER, "Strava's id, the only identity of an activity"),
    "name": (_TEXT, "Title, any Unicode"),
    "type": (_TEXT, "Deprecated and coarser than sport_type"),
    "start_date": (_MOMENT, "Start; midnight plus one second of the local day where the athlete hides it"),
    "distance": (_NUMBER, "Metres"),
    "moving_time": (_INTEGER, "Seconds"),
    "average_speed": (_NUMBER, "Metres per second"),
    "max_speed": (_NUMBER, "Metres per second"),
    "average_cadence": (_NUMBER, "Revolutions or steps of one leg per minute"),
    "average_heartrate": (_NUMBER, "Beats per minute"),
    "weighted_average_watts": (_NUMBER, "Watts, rides with a power meter"),
    "kilojoules": (_NUMBER, "Total work of a ride, kilojoules"),
    "athlete_id": (_INTEGER, "Whose activity it is: Strava's id of the athlete"),
    "sport_type": (_TEXT, "Sport; an open list"),
    "elapsed_time": (_INTEGER, "Seconds from start to end, pauses included"),
    "total_elevation_gain": (_NUMBER, "Metres"),
    "start_date_local": (_WALL_CLOCK, "Start, the athlete's wall-clock time"),
    "timezone": (_TEXT, "IANA name of the time zone"),
    "elev_high": (_NUMBER, "Highest point, metres above sea level"),
    "elev_low": (_NUMBER, "Lowest point, metres above sea level"),
    "average_watts": (_NUMBER, "Watts; estimated unless device_watts"),
    "max_watts": (_NUMBER, "Watts"),
    "device_watts": (_FLAG, "Whether watts come from a power meter"),
    "max_heartrate": (_NUMBER, "Beats per minute"),
    "suffer_score": (_NUMBER, "Strava's relative effort (not documented)"),
    "gear_id": (_TEXT, "Strava's id of the bike or the shoes"),
    "device_name": (_TEXT, "Recording device; Garmin's needs attribution"),
    "trainer": (_FLAG, "Recorded on a trainer or treadmill"),
    "commute": (_FLAG, "Marked as a commute"),
    "manual": (_FLAG, "Entered by hand: no upload, map or speeds"),
    "private": (_FLAG, "Visible to the athlete only"),
    "visibility": (_TEXT, "everyone, followers_only or only_me (not documented)"),
    "start_latitude": (_NUMBER, "Degrees"),
    "start_longitude": (_NUMBER, "Degrees"),
    "end_latitude": (_NUMBER, "Degrees"),
    "end_longitude": (_NUMBER, "Degrees"),
    "summary_polyline": (_TEXT, "Course, Google's encoded polyline"),
    "achievement_count": (_INTEGER, "Achievements"),
    "kudos_count": (_INTEGER, "Kudos when the hour was last fetched"),
    "comment_count": (_INTEGER, "Comments when the hour was last fetched"),
    "digest": (_TEXT, "Hash of what Strava said, social counters aside; shows changes"),
}


def upgrade() -> None:
    """Create the table, or widen the one that is there."""
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    if inspector.has_table(TABLE):
        _adopt(inspector)
    else:
        op.create_table(
            TABLE,
            *(
                sa.Column(name, sql_type, primary_key=name == "id", autoincrement=False, comment=comment)
                for name, (sql_type, comment) in COLUMNS.items()
            ),
        )
    op.create_table_comment(TABLE, "Strava activities: an exact mirror of the raw objects, kept by strava_assets")
    op.create_index(f"ix_{TABLE}_athlete_id_start_date", TABLE, ["athlete_id", "start_date"], if_not_exists=True)


def _adopt(inspector: sa.Inspector) -> None:
    present = {column["name"]: column for column in inspector.get_columns(TABLE)}
    dialect = op.get_bind().dialect
    for name, (sql_type, comment) in COLUMNS.items():
        if name not in present:
            op.add_column(TABLE, sa.Column(name, sql_type, comment=comment))
            continue
        old_type = present[name]["type"].compile(dialect)
        if old_type != sql_type.compile(dialect):
            op.alter_column(TABLE, name, type_=sql_type, postgresql_using=_conversion(name, old_type, sql_type))
        if name != "id" and not present[name]["nullable"]:
            op.alter_column(TABLE, name, nullable=True)
        op.alter_column(TABLE, name, comment=comment)
    if inspector.get_pk_constraint(TABLE)["constrained_columns"] != ["id"]:
        op.create_primary_key(f"{TABLE}_pkey", TABLE, ["id"])
    # The old id may have been SERIAL; ids come from Strava alone.
    op.alter_column(TABLE, "id", server_default=None)


def _conversion(name: str, old_type: str, sql_type: sa.types.TypeEngine[Any]) -> str:
    if sql_type is _MOMENT and "WITHOUT" in old_type:
        return f"{name} AT TIME ZONE 'UTC'"
    if sql_type is _NUMBER or sql_type is _INTEGER:
        return f"{name}::text::numeric::{sql_type.compile(op.get_bind().dialect)}"
    return f"{name}::text::{sql_type.compile(op.get_bind().dialect)}"
