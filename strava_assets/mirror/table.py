"""The tables: `strava_activity`, made from the Activity model, and what is kept beside it."""

import types
from datetime import datetime
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from strava_assets.mirror.activity import Activity

metadata = MetaData()

_SQL_TYPES: dict[type, TypeEngine[Any]] = {
    int: BigInteger(),
    float: Double(),
    str: Text(),
    bool: Boolean(),
    datetime: DateTime(timezone=True),
}


def _column(name: str, field: FieldInfo) -> Column[Any]:
    return Column(
        name,
        # Wall-clock time has no zone.
        DateTime(timezone=False) if name == "start_date_local" else _SQL_TYPES[_python_type(field.annotation)],
        primary_key=name == "id",
        autoincrement=False,
        # Only the id is required: rows taken over from the Airflow DAG know neither their athlete nor a digest
        # until the first import.
        nullable=name not in {"id", "source"},
        server_default=text("'api'") if name == "source" else None,
        comment=field.description,
    )


def _moment(name: str, comment: str) -> Column[Any]:
    """When the row was written, unless it says otherwise."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now(), comment=comment)


def _python_type(annotation: Any) -> type[Any]:  # noqa: ANN401 - annotations have no type
    """The `int` in `Annotated[int, ...] | None` and the like."""
    if get_origin(annotation) is types.UnionType or get_origin(annotation) is Union:
        return _python_type(get_args(annotation)[0])
    return cast("type[Any]", get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation)


activity = Table(
    "strava_activity",
    metadata,
    *(_column(name, field) for name, field in Activity.model_fields.items()),
    Index("ix_strava_activity_athlete_id_start_date", "athlete_id", "start_date"),
    comment="Strava activities: an exact mirror of the raw objects, except for rows of bulk exports",
)

reject = Table(
    "strava_activity_reject",
    metadata,
    Column("athlete_id", BigInteger, nullable=False, comment="Whose activity it is"),
    Column("id", BigInteger, comment="Strava's id, where the API sent a usable one"),
    Column("hour", DateTime(timezone=True), nullable=False, comment="Partition whose raw object holds it"),
    Column("digest", Text, nullable=False, comment="Hash of the payload; shows changes"),
    Column("payload", JSONB, nullable=False, comment="The activity as the API sent it"),
    Column("errors", JSONB, nullable=False, comment="What is wrong with it, one sentence per error"),
    _moment("first_seen", "When it was rejected first"),
    _moment("last_seen", "When a load rejected it last"),
    Index(
        "uq_strava_activity_reject",
        "athlete_id",
        text("coalesce(id::text, digest)"),
        unique=True,
    ),
    comment="Invalid activities, until they become valid",
)

mirrored_object = Table(
    "strava_mirrored_object",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose raw object it is"),
    Column("hour", DateTime(timezone=True), primary_key=True, comment="Partition whose raw object it is"),
    Column("etag", Text, comment="ETag of the raw object that the rows of the hour were made from"),
    comment="Which version of each raw object the rows were made from; shows objects that never became rows",
)

archive = Table(
    "strava_archive",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose export it is"),
    Column("archive", Text, primary_key=True, comment="First 12 hex digits of activities.csv's SHA-256"),
    Column("name", Text, nullable=False, comment="File or folder that was imported"),
    Column(
        "exported_at",
        DateTime(timezone=True),
        nullable=False,
        comment="Newest activity's start: of two archives the newer counts",
    ),
    Column("language", Text, nullable=False, comment="Language of the header"),
    Column("columns", Integer, nullable=False, comment="Columns of the header"),
    Column("activities", Integer, nullable=False, comment="Activities in it"),
    Column("rejects", Integer, nullable=False, comment="Rows that are not activities"),
    _moment("imported_at", "When it was imported last"),
    comment="Bulk exports that were imported",
)

archive_activity = Table(
    "strava_archive_activity",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="Strava's id"),
    Column("athlete_id", BigInteger, nullable=False, comment="Whose activity it is"),
    Column("start_date", DateTime(timezone=True), nullable=False, comment="Start"),
    Column("archive", Text, nullable=False, comment="Archive that the row is from: the newest with the id"),
    Column("exported_at", DateTime(timezone=True), nullable=False, comment="exported_at of that archive"),
    Column("file", Text, comment="Name of the original track in the export; not cropped, no privacy zone applied"),
    Column("columns", JSONB, nullable=False, comment="All filled columns, as they are written, by canonical name"),
    Column("activity", JSONB, nullable=False, comment="The row of strava_activity that it makes"),
    Index("ix_strava_archive_activity_athlete_id_start_date", "athlete_id", "start_date"),
    comment="Activities of bulk exports with all their columns, also of those that Strava's API lists",
)

archive_reject = Table(
    "strava_archive_reject",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose export it is"),
    Column("archive", Text, primary_key=True, comment="Archive that the row is in"),
    Column("line", Integer, primary_key=True, autoincrement=False, comment="Line of activities.csv"),
    Column("cells", JSONB, nullable=False, comment="The row's cells, as they are written"),
    Column("errors", JSONB, nullable=False, comment="What is wrong with it, one sentence per error"),
    comment="Rows of bulk exports that are not activities",
)

deleted_activity = Table(
    "strava_deleted_activity",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose activity it was"),
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="Strava's id"),
    _moment("deleted_at", "When a load found it gone"),
    comment="Ids that the API listed once and no longer lists: no export brings them back",
)

unlisted_activity = Table(
    "strava_unlisted_activity",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose activity it is"),
    Column(
        "hour",
        DateTime(timezone=True),
        primary_key=True,
        comment="Hour in which the mirror has the activity and Strava no longer does",
    ),
    Column("key", Text, primary_key=True, comment="Strava's id, or the digest of an activity without one"),
    Column("may_be_deleted", Boolean, nullable=False, comment="False: waits for a confirmation"),
    _moment("decided_at", "When that was decided; valid for a day"),
    comment="Activities that the athlete's whole listing lacks in an hour, and whether they may be deleted there",
)

sport_group = Table(
    "strava_sport_group",
    metadata,
    Column("sport_type", Text, primary_key=True, comment="Strava's sport, see strava_activity.sport_type"),
    Column("sport_group", Text, nullable=False, comment="Name of the group that it is counted in"),
    Column("measure", Text, nullable=False, comment="speed, pace_km, pace_100m or none: what the views show"),
    Column("threshold", Text, comment="ftp, run or swim: whose threshold its load depends on"),
    Column(
        "load_per_hour",
        Double,
        nullable=False,
        comment="Training load of an hour where nothing better is known; 100 is an hour at the threshold",
    ),
    CheckConstraint("measure IN ('speed', 'pace_km', 'pace_100m', 'none')", name="ck_measure"),
    CheckConstraint("threshold IN ('ftp', 'run', 'swim')", name="ck_threshold"),
    CheckConstraint("load_per_hour BETWEEN 0 AND 1000", name="ck_load_per_hour"),
    comment="Groups of sports in strava_analytics; change it as you like. A sport that is missing is its own group",
)

athlete_setting = Table(
    "strava_athlete_setting",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose setting it is"),
    Column("valid_from", Date, primary_key=True, comment="First local day on which the row's values hold"),
    Column("hr_max", Double, comment="Maximum heart rate, beats per minute"),
    Column("hr_rest", Double, comment="Resting heart rate, beats per minute"),
    Column("hr_threshold", Double, comment="Heart rate at the threshold, beats per minute"),
    Column("ftp", Double, comment="Functional threshold power, watts"),
    Column("threshold_speed_run", Double, comment="Speed that can be run for an hour, metres per second"),
    Column("threshold_speed_swim", Double, comment="Speed that can be swum for an hour, metres per second"),
    Column("sex", Text, comment="female or male: decides how heart rate is weighted"),
    Column("weight", Double, comment="Body weight, kilograms"),
    CheckConstraint("hr_max BETWEEN 20 AND 300", name="ck_hr_max"),
    CheckConstraint("hr_rest BETWEEN 20 AND 300", name="ck_hr_rest"),
    CheckConstraint("hr_threshold BETWEEN 20 AND 300", name="ck_hr_threshold"),
    CheckConstraint("ftp BETWEEN 1 AND 3000", name="ck_ftp"),
    CheckConstraint("threshold_speed_run BETWEEN 0.1 AND 20", name="ck_threshold_speed_run"),
    CheckConstraint("threshold_speed_swim BETWEEN 0.1 AND 20", name="ck_threshold_speed_swim"),
    CheckConstraint("weight BETWEEN 10 AND 500", name="ck_weight"),
    CheckConstraint("sex IN ('female', 'male')", name="ck_sex"),
    comment="Athletes' own settings; null: the value of an earlier row, else a guess from the data",
)

athlete_preference = Table(
    "strava_athlete_preference",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose preference it is"),
    Column("units", Text, comment="metric or imperial: what the report shows"),
    Column("week_start", Text, comment="First day of the week: monday, saturday or sunday"),
    Column("counts_duplicates", Boolean, comment="Whether activities recorded twice count twice"),
    CheckConstraint("units IN ('metric', 'imperial')", name="ck_units"),
    CheckConstraint("week_start IN ('monday', 'saturday', 'sunday')", name="ck_week_start"),
    comment="How athletes want their numbers counted and shown",
)
