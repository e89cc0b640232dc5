"""The tables: `strava_activity`, made from the Activity model, and what is kept beside it."""

import types
from datetime import datetime
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Index, MetaData, Table, Text, func, text
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
        # Only the id is required: rows adopted from the old DAG know neither their athlete nor a digest
        # until the first import.
        nullable=name != "id",
        comment=field.description,
    )


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
    comment="Strava activities: an exact mirror of the raw objects, kept by strava_assets",
)

reject = Table(
    "strava_activity_reject",
    metadata,
    Column("athlete_id", BigInteger, nullable=False, comment="Whose activity it is"),
    Column("id", BigInteger, comment="Strava's id, where the API sent a usable one"),
    Column("hour", DateTime(timezone=True), nullable=False, comment="Partition whose raw object holds it"),
    Column("digest", Text, nullable=False, comment="Hash of the payload; shows changes"),
    Column("payload", JSONB, nullable=False, comment="The activity as the API sent it"),
    Column("errors", JSONB, nullable=False, comment="What is wrong with it, a sentence a fault"),
    Column("first_seen", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_seen", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(
        "uq_strava_activity_reject",
        "athlete_id",
        text("coalesce(id::text, digest)"),
        unique=True,
    ),
    comment="Activities that are no valid row of strava_activity, until they become valid",
)

mirrored_object = Table(
    "strava_mirrored_object",
    metadata,
    Column("athlete_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose raw object it is"),
    Column("hour", DateTime(timezone=True), primary_key=True, comment="Partition whose raw object it is"),
    Column("etag", Text, comment="ETag of the raw object that the rows of the hour were made from"),
    comment="Which version of each raw object the rows were made from; shows objects that never became rows",
)
