"""What Strava's whole listing of an athlete no longer has, though the mirror or a raw object does: may it be deleted?

Decided in one place (`sync/deletions.py`) and kept in `strava_unlisted_activity`, since those who act on it, the fetch
of an hour and the load of its object, may be different processes on different days.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from strava_assets.hours import floor_to_hour
from strava_assets.mirror.bulk_copy import copy_rows

VALID_FOR = timedelta(days=1)
"""A decision that nobody has acted on for so long is made again."""


class Place(NamedTuple):
    """An activity, by its key, in an hour in which Strava no longer lists it."""

    hour: datetime
    key: int | str


def decided(connection: Connection, athlete_id: int) -> dict[tuple[datetime, str], bool]:
    """By hour and key (as text): whether it may be deleted, or waits for a confirmation."""
    rows = connection.execute(
        text(
            "SELECT hour, key, may_be_deleted FROM strava_unlisted_activity "
            "WHERE athlete_id = :athlete_id AND decided_at > now() - CAST(:age AS interval)"
        ),
        {"athlete_id": athlete_id, "age": VALID_FOR},
    )
    return {(floor_to_hour(row.hour), row.key): row.may_be_deleted for row in rows}


def decide(connection: Connection, athlete_id: int, allowed: Collection[Place], waiting: Collection[Place]) -> None:
    """Replace all that was decided of the athlete's activities."""
    connection.execute(
        text("DELETE FROM strava_unlisted_activity WHERE athlete_id = :athlete_id"), {"athlete_id": athlete_id}
    )
    columns = "strava_unlisted_activity (athlete_id, hour, key, may_be_deleted)"
    rows = [(athlete_id, each.hour, str(each.key), True) for each in set(allowed)]
    rows += [(athlete_id, each.hour, str(each.key), False) for each in set(waiting) - set(allowed)]
    copy_rows(connection, columns, iter(rows))


def moment(connection: Connection) -> datetime:
    """Now, by the clock that also says when something was decided."""
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    return now


def delete_listed(connection: Connection, athlete_id: int, keys: Iterable[int | str], listed_at: datetime) -> None:
    """Strava lists these after all: of what was decided before `listed_at`, nothing of them waits to be deleted."""
    connection.execute(
        text(
            "DELETE FROM strava_unlisted_activity WHERE athlete_id = :athlete_id AND NOT may_be_deleted "
            "AND decided_at < :listed_at AND key = ANY(CAST(:keys AS text[]))"
        ),
        {"athlete_id": athlete_id, "keys": [str(key) for key in keys], "listed_at": listed_at},
    )


def waiting_deletions(connection: Connection) -> dict[int, int]:
    """How many activities of each athlete wait for somebody to confirm that they may be deleted."""
    rows = connection.execute(
        text(
            "SELECT athlete_id, count(*) AS activities FROM strava_unlisted_activity "
            "WHERE NOT may_be_deleted GROUP BY athlete_id ORDER BY athlete_id"
        )
    )
    return {row.athlete_id: row.activities for row in rows}


def wait_for_confirmation(athlete_id: int, count: int) -> str:
    """What the owner has to do about deletions that wait, in words."""
    return (
        f"{count} activities of athlete {athlete_id} wait to be deleted, since they are many. If that is right, run: "
        f"strava-assets reconcile --athlete {athlete_id} --confirm-deletions. If not: strava-assets login."
    )


def set_starts(connection: Connection, athlete_id: int, starts: Mapping[int, datetime]) -> None:
    """Give rows without a start the one that Strava lists, so that they lie in an hour as any other."""
    statement = text("UPDATE strava_activity SET start_date = :start WHERE athlete_id = :athlete_id AND id = :id")
    for activity_id, start in starts.items():
        connection.execute(statement, {"athlete_id": athlete_id, "id": activity_id, "start": start})
