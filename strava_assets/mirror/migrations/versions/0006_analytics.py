"""Create what the views of `strava_analytics` read beside `strava_activity`, and row-level security for athletes.

Sport groups, athletes' settings with the day from which they hold, preferences. Row-level security concerns roles
that are named `strava_athlete_<id>`, nobody else.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_GROUPS = {
    # name: (what is shown, whose threshold, load of an hour, sports)
    "Ride": ("speed", "ftp", 50, "Ride GravelRide MountainBikeRide VirtualRide Velomobile Handcycle"),
    "E-bike": ("speed", None, 30, "EBikeRide EMountainBikeRide"),
    "Run": ("pace_km", "run", 60, "Run TrailRun VirtualRun"),
    "Walk": ("pace_km", None, 25, "Walk"),
    "Hike": ("pace_km", None, 35, "Hike Snowshoe"),
    "Swim": ("pace_100m", "swim", 55, "Swim"),
    "Winter": ("speed", None, 50, "AlpineSki BackcountrySki NordicSki RollerSki Snowboard IceSkate"),
    "Water": (
        "speed",
        None,
        40,
        "Canoeing Kayaking Kitesurf Rowing VirtualRow Sail StandUpPaddling Surfing Windsurf",
    ),
    "Strength": (
        "none",
        None,
        40,
        "WeightTraining Crossfit Workout HighIntensityIntervalTraining Elliptical StairStepper",
    ),
    "Mobility": ("none", None, 20, "Yoga Pilates"),
    "Games": ("none", None, 45, "Badminton Pickleball Racquetball Soccer Squash TableTennis Tennis"),
}
"""As they were at this revision; users change the table."""

_WITH_ATHLETE = (
    "strava_activity",
    "strava_activity_reject",
    "strava_mirrored_object",
    "strava_archive",
    "strava_archive_activity",
    "strava_archive_reject",
    "strava_deleted_activity",
    "strava_unlisted_activity",
    "strava_athlete_setting",
    "strava_athlete_preference",
)


def upgrade() -> None:
    """Create and fill the tables, and protect those that name an athlete."""
    sport_group = op.create_table(
        "strava_sport_group",
        sa.Column("sport_type", sa.Text, primary_key=True, comment="Strava's sport, see strava_activity.sport_type"),
        sa.Column("sport_group", sa.Text, nullable=False, comment="Name of the group that it is counted in"),
        sa.Column("measure", sa.Text, nullable=False, comment="speed, pace_km, pace_100m or none: what the views show"),
        sa.Column("threshold", sa.Text, comment="ftp, run or swim: whose threshold its load depends on"),
        sa.Column(
            "load_per_hour",
            sa.Double,
            nullable=False,
            comment="Training load of an hour where nothing better is known; 100 is an hour at the threshold",
        ),
        sa.CheckConstraint("measure IN ('speed', 'pace_km', 'pace_100m', 'none')", name="ck_measure"),
        sa.CheckConstraint("threshold IN ('ftp', 'run', 'swim')", name="ck_threshold"),
        sa.CheckConstraint("load_per_hour BETWEEN 0 AND 1000", name="ck_load_per_hour"),
        comment="Groups of sports in strava_analytics; change it as you like. A sport that is missing is its own group",
    )
    op.bulk_insert(
        sport_group,
        [
            {
                "sport_type": sport,
                "sport_group": group,
                "measure": measure,
                "threshold": threshold,
                "load_per_hour": load_per_hour,
            }
            for group, (measure, threshold, load_per_hour, sports) in _GROUPS.items()
            for sport in sports.split()
        ],
    )
    op.create_table(
        "strava_athlete_setting",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose setting it is"),
        sa.Column("valid_from", sa.Date, primary_key=True, comment="First local day on which the row's values hold"),
        sa.Column("hr_max", sa.Double, comment="Maximum heart rate, beats per minute"),
        sa.Column("hr_rest", sa.Double, comment="Resting heart rate, beats per minute"),
        sa.Column("hr_threshold", sa.Double, comment="Heart rate at the threshold, beats per minute"),
        sa.Column("ftp", sa.Double, comment="Functional threshold power, watts"),
        sa.Column("threshold_speed_run", sa.Double, comment="Speed that can be run for an hour, metres per second"),
        sa.Column("threshold_speed_swim", sa.Double, comment="Speed that can be swum for an hour, metres per second"),
        sa.Column("sex", sa.Text, comment="female or male: decides how heart rate is weighted"),
        sa.Column("weight", sa.Double, comment="Body weight, kilograms"),
        sa.CheckConstraint("hr_max BETWEEN 20 AND 300", name="ck_hr_max"),
        sa.CheckConstraint("hr_rest BETWEEN 20 AND 300", name="ck_hr_rest"),
        sa.CheckConstraint("hr_threshold BETWEEN 20 AND 300", name="ck_hr_threshold"),
        sa.CheckConstraint("ftp BETWEEN 1 AND 3000", name="ck_ftp"),
        sa.CheckConstraint("threshold_speed_run BETWEEN 0.1 AND 20", name="ck_threshold_speed_run"),
        sa.CheckConstraint("threshold_speed_swim BETWEEN 0.1 AND 20", name="ck_threshold_speed_swim"),
        sa.CheckConstraint("weight BETWEEN 10 AND 500", name="ck_weight"),
        sa.CheckConstraint("sex IN ('female', 'male')", name="ck_sex"),
        comment="What athletes say of themselves; null: what an earlier row says, else a guess from the data",
    )
    op.create_table(
        "strava_athlete_preference",
        sa.Column("athlete_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="Whose preference it is"),
        sa.Column("units", sa.Text, comment="metric or imperial: what the report shows"),
        sa.Column("week_start", sa.Text, comment="First day of the week: monday, saturday or sunday"),
        sa.Column("counts_duplicates", sa.Boolean, comment="Whether activities recorded twice count twice"),
        sa.CheckConstraint("units IN ('metric', 'imperial')", name="ck_units"),
        sa.CheckConstraint("week_start IN ('monday', 'saturday', 'sunday')", name="ck_week_start"),
        comment="How athletes want their numbers counted and shown",
    )
    for table in _WITH_ATHLETE:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        is_own = "(current_user !~ '^strava_athlete_[0-9]+$' OR current_user = 'strava_athlete_' || athlete_id)"
        op.execute(f"CREATE POLICY athletes_see_their_own ON {table} USING {is_own} WITH CHECK {is_own}")
