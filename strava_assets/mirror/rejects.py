"""Invalid activities, kept whole in strava_activity_reject until they are valid or gone."""

import json
import re
from typing import Any

from sqlalchemy import Connection, text

from strava_assets.raw.activity import RawActivity, activity_key
from strava_assets.raw.snapshot import HourSnapshot

_ESCAPE = re.compile(r"\\(?:u....|.)")
"""One escape of JSON text. Read from the left, so that a backslash which is itself escaped starts none."""


def keep_newest_version(connection: Connection) -> int:
    """Where one object has a valid and another an invalid version, keep the newer; rejects dropped.

    Of objects that are equally new the one of the later hour counts; of two copies in one object, the valid one.
    """
    dropped = connection.execute(
        text(
            "DELETE FROM staged_reject AS invalid USING staged WHERE staged.id = invalid.id AND "
            "(staged.fetched_at, date_trunc('hour', staged.start_date, 'UTC')) >= (invalid.fetched_at, invalid.hour)"
        )
    ).rowcount
    connection.execute(text("DELETE FROM staged USING staged_reject AS invalid WHERE staged.id = invalid.id"))
    return dropped


_ANOTHERS = "id: it is an activity of athlete "


def reject_what_is_anothers(connection: Connection, athlete_id: int) -> int:
    """Of an activity that two athletes list, the row stays with who had it first: the other's is a reject; how many."""
    return connection.execute(
        text(
            """
            WITH anothers AS (
                DELETE FROM staged USING strava_activity AS present
                WHERE present.id = staged.id AND present.athlete_id <> :athlete_id
                RETURNING staged.*, present.athlete_id AS owner
            )
            INSERT INTO staged_reject (id, key, hour, digest, payload, errors, fetched_at)
            SELECT DISTINCT ON (anothers.id) anothers.id, anothers.id::text, date_trunc('hour', start_date, 'UTC'),
                   digest, to_jsonb(anothers) - 'fetched_at' - 'owner', jsonb_build_array(:fault || owner), fetched_at
            FROM anothers ORDER BY anothers.id, fetched_at DESC
            """
        ),
        {"athlete_id": athlete_id, "fault": _ANOTHERS},
    ).rowcount


def release_claims(connection: Connection) -> None:
    """Have hours loaded again whose reject was another athlete's activity, if that athlete's row is gone."""
    connection.execute(
        text(
            """
            DELETE FROM strava_mirrored_object AS object USING strava_activity_reject AS reject
            WHERE reject.athlete_id = object.athlete_id AND reject.hour = object.hour
              AND starts_with(reject.errors->>0, :fault)
              AND NOT EXISTS (SELECT FROM strava_activity WHERE strava_activity.id = reject.id)
            """
        ),
        {"fault": _ANOTHERS},
    )


def reject_row(raw: RawActivity, snapshot: HourSnapshot, errors: list[str]) -> tuple[Any, ...]:
    """The row of `staged_reject` for an invalid activity of a snapshot, with what is wrong with it."""
    # jsonb can hold neither NUL nor half of a surrogate pair; the raw object keeps both.
    payload = json.dumps(raw.fields, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    payload = _ESCAPE.sub(lambda found: "\N{REPLACEMENT CHARACTER}" if found[0] == "\\u0000" else found[0], payload)
    faults = json.dumps([fault.replace("\0", "\N{REPLACEMENT CHARACTER}") for fault in errors])
    key = activity_key(raw)
    activity_id = key if isinstance(key, int) else None
    return (activity_id, key, snapshot.hour, raw.digest, payload, faults, snapshot.fetched_at)


def settle_rejects(connection: Connection, athlete_id: int) -> None:
    """Rejects of the snapshot hours become what was staged; what is a valid row now is none any more."""
    owner = {"athlete_id": athlete_id}
    connection.execute(
        text(
            """
            WITH gone AS (
                DELETE FROM strava_activity_reject AS present
                WHERE athlete_id = :athlete_id
                  AND (hour IN (SELECT hour FROM snapshot_hours) OR id IN (SELECT id FROM staged))
                  AND coalesce(id::text, digest) NOT IN (SELECT key FROM staged_reject)
                RETURNING id
            )
            INSERT INTO strava_deleted_activity (athlete_id, id)
            SELECT :athlete_id, id FROM gone WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM staged)
            ON CONFLICT DO NOTHING
            """
        ),
        owner,
    )
    connection.execute(
        text(
            """
            INSERT INTO strava_activity_reject AS present (athlete_id, id, hour, digest, payload, errors)
            SELECT :athlete_id, id, hour, digest, payload, errors FROM staged_reject
            ON CONFLICT (athlete_id, coalesce(id::text, digest)) DO UPDATE
            SET hour = excluded.hour, digest = excluded.digest, payload = excluded.payload,
                errors = excluded.errors, last_seen = now()
            """
        ),
        owner,
    )
    # A row whose hour has no snapshot, but which is known to be invalid now, must not stay beside its reject.
    connection.execute(
        text("DELETE FROM strava_activity WHERE athlete_id = :athlete_id AND id IN (SELECT id FROM staged_reject)"),
        owner,
    )
