"""One row of `strava_activity`: which columns there are, what they mean, what is valid.

The table, the database's column comments and Dagster's column schema are all made from this model, so
a column is added here and in a migration, nowhere else. Unknown enumeration values are valid: Strava
adds sports without notice (https://github.com/stravalib/stravalib/issues/441).
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from strava_assets.raw.activity import RawActivity, parse_utc


def _whole_number(value: object) -> object:
    """Strava documents some integers that then arrive as 12.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _storable(value: object) -> object:
    """Postgres can store neither NUL nor half of a surrogate pair; the raw object keeps both."""
    if not isinstance(value, str) or (value.isprintable() and value.isascii()):
        return value
    return (
        value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _local_time(value: object) -> object:
    """Wall-clock time: Strava writes a `Z` behind it that is not true."""
    return None if value is None else datetime.fromisoformat(str(value)).replace(tzinfo=None)


def _zone_name(value: object) -> object:
    """`(GMT-08:00) America/Los_Angeles` is stored as `America/Los_Angeles`."""
    return value.partition(") ")[2] or value if isinstance(value, str) and value.startswith("(") else value


Integer = Annotated[int, BeforeValidator(_whole_number), Field(ge=-(2**63), le=2**63 - 1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, BeforeValidator(_storable)]


class Activity(BaseModel):
    """An activity as it is stored. Field order is column order; descriptions are column comments."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    id: Annotated[Integer, Field(description="Strava's id, the only identity of an activity")]
    name: Annotated[Text | None, Field(description="Title, any Unicode")] = None
    type: Annotated[Text | None, Field(description="Deprecated and coarser than sport_type")] = None
    start_date: Annotated[
        datetime,
        BeforeValidator(parse_utc),
        Field(description="Start; midnight plus one second of the local day where the athlete hides it"),
    ]
    distance: Annotated[Number | None, Field(description="Metres")] = None
    moving_time: Annotated[Integer | None, Field(description="Seconds")] = None
    average_speed: Annotated[Number | None, Field(description="Metres per second")] = None
    max_speed: Annotated[Number | None, Field(description="Metres per second")] = None
    average_cadence: Annotated[Number | None, Field(description="Revolutions or steps of one leg per minute")] = None
    average_heartrate: Annotated[Number | None, Field(description="Beats per minute")] = None
    weighted_average_watts: Annotated[Number | None, Field(description="Watts, rides with a power meter")] = None
    kilojoules: Annotated[Number | None, Field(description="Total work of a ride, kilojoules")] = None
    athlete_id: Annotated[Integer, Field(description="Whose activity it is: Strava's id of the athlete")]
    sport_type: Annotated[Text | None, Field(description="Sport; an open list")] = None
    elapsed_time: Annotated[Integer | None, Field(description="Seconds from start to end, pauses included")] = None
    total_elevation_gain: Annotated[Number | None, Field(description="Metres")] = None
    start_date_local: Annotated[
        datetime | None, BeforeValidator(_local_time), Field(description="Start, the athlete's wall-clock time")
    ] = None
    timezone: Annotated[Text | None, BeforeValidator(_zone_name), Field(description="IANA name of the time zone")] = (
        None
    )
    elev_high: Annotated[Number | None, Field(description="Highest point, metres above sea level")] = None
    elev_low: Annotated[Number | None, Field(description="Lowest point, metres above sea level")] = None
    average_watts: Annotated[Number | None, Field(description="Watts; estimated unless device_watts")] = None
    max_watts: Annotated[Number | None, Field(description="Watts")] = None
    device_watts: Annotated[bool | None, Field(description="Whether watts come from a power meter")] = None
    max_heartrate: Annotated[Number | None, Field(description="Beats per minute")] = None
    suffer_score: Annotated[Number | None, Field(description="Strava's relative effort (not documented)")] = None
    gear_id: Annotated[Text | None, Field(description="Strava's id of the bike or the shoes")] = None
    device_name: Annotated[Text | None, Field(description="Recording device; Garmin's needs attribution")] = None
    trainer: Annotated[bool | None, Field(description="Recorded on a trainer or treadmill")] = None
    commute: Annotated[bool | None, Field(description="Marked as a commute")] = None
    manual: Annotated[bool | None, Field(description="Entered by hand: no upload, map or speeds")] = None
    private: Annotated[bool | None, Field(description="Visible to the athlete only")] = None
    visibility: Annotated[Text | None, Field(description="everyone, followers_only or only_me (not documented)")] = None
    start_latitude: Annotated[
        Number | None, Field(validation_alias=AliasPath("start_latlng", 0), description="Degrees")
    ] = None
    start_longitude: Annotated[
        Number | None, Field(validation_alias=AliasPath("start_latlng", 1), description="Degrees")
    ] = None
    end_latitude: Annotated[
        Number | None, Field(validation_alias=AliasPath("end_latlng", 0), description="Degrees")
    ] = None
    end_longitude: Annotated[
        Number | None, Field(validation_alias=AliasPath("end_latlng", 1), description="Degrees")
    ] = None
    summary_polyline: Annotated[
        Text | None,
        Field(validation_alias=AliasPath("map", "summary_polyline"), description="Course, Google's encoded polyline"),
    ] = None
    achievement_count: Annotated[Integer | None, Field(description="Achievements")] = None
    kudos_count: Annotated[Integer | None, Field(description="Kudos when the hour was last fetched")] = None
    comment_count: Annotated[Integer | None, Field(description="Comments when the hour was last fetched")] = None
    digest: Annotated[str, Field(description="Hash of what Strava returned, social counters aside; shows changes")]
    source: Annotated[
        str,
        Field(description="api: from Strava's API; archive: from a bulk export, until the API lists it"),
    ] = "api"


COLUMNS = tuple(Activity.model_fields)
"""Column names of `strava_activity`, in order."""


def validate(raw: RawActivity, athlete_id: int) -> Activity | list[str]:
    """The row that an activity makes, or, if it makes none, what is wrong with it, one sentence per error."""
    if raw.is_too_deep:
        return ["values are nested deeper than any of Strava's"]
    return checked({**raw.fields, "athlete_id": athlete_id, "digest": raw.digest, "source": "api"})


def checked(fields: dict[str, Any]) -> Activity | list[str]:
    """The row of these fields, named as the API does, or what is wrong with them."""
    try:
        return Activity.model_validate(fields)
    except ValidationError as error:
        return [_sentence(fault) for fault in error.errors(include_url=False, include_context=False)]


def _sentence(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    given = "" if fault["type"] == "missing" else f" (got {str(fault['input'])[:80]!r})"
    return f"{where}: {fault['msg']}{given}"
