"""The keys of raw objects: `{prefix}/{athlete_id}/{hour}.json`, made and read here and nowhere else."""

import re
from datetime import UTC, datetime

TS_NODASH_FORMAT = "%Y%m%dT%H%M%S"
"""The hour in an object's key, e.g. `20261122T130000`: Airflow's ts_nodash, as the Airflow DAG wrote it."""


_OBJECT_KEY = re.compile(r"(?:^|/)(?P<athlete_id>\d+)/(?P<ts_nodash>\d{8}T\d{4}00)\.json$")


_OLD_OBJECT_KEY = re.compile(r"(?:^|/)(?P<ts_nodash>\d{8}T\d{4}00)\.json$")


def object_key(prefix: str, athlete_id: int, hour: datetime) -> str:
    """Where the raw object of an athlete's hour lies: `stravaact/42/20261122T130000.json`."""
    return f"{athlete_prefix(prefix, athlete_id)}{hour.strftime(TS_NODASH_FORMAT)}.json"


def athlete_prefix(prefix: str, athlete_id: int) -> str:
    """The common beginning of all object keys of an athlete."""
    return f"{prefix}/{athlete_id}/" if prefix else f"{athlete_id}/"


def archive_prefix(prefix: str, athlete_id: int, archive: str = "") -> str:
    """The common beginning of the keys of an athlete's bulk exports, or of one of them. None of them names an hour."""
    return f"{athlete_prefix(prefix, athlete_id)}archive/" + (f"{archive}/" if archive else "")


def report_key(prefix: str, athlete_id: int) -> str:
    """Where the athlete's training report lies: `stravaact/42/report.html`."""
    return f"{athlete_prefix(prefix, athlete_id)}report.html"


def from_object_key(key: str) -> tuple[int, datetime] | None:
    """The athlete and the hour that an object's key names.

    None for anything else in the bucket, such as the Airflow DAG's `stravaact/20261122T130000.json`: those
    held the newest 30 activities of a moment, not the activities of that hour.
    """
    if not (match := _OBJECT_KEY.search(key)):
        return None
    try:
        hour = datetime.strptime(match["ts_nodash"], TS_NODASH_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (int(match["athlete_id"]), hour) if hour.minute == 0 else None


def from_old_object_key(key: str) -> datetime | None:
    """The hour in which the Airflow DAG wrote an object, by its key `stravaact/20261122T130000.json`; else None."""
    if _OBJECT_KEY.search(key) or not (match := _OLD_OBJECT_KEY.search(key)):
        return None
    try:
        return datetime.strptime(match["ts_nodash"], TS_NODASH_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
