"""Asset checks: what a run finds out about the data while it is there, in one sentence each.

They are about the whole table or the run's hours and belong to the assets' own steps: a step of their
own would cost a run more than the check itself.
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Connection, text

from strava_assets.hours import Window
from strava_assets.mirror.archive import not_on_strava
from strava_assets.mirror.queries import known_hours
from strava_assets.raw.activity import activity_key
from strava_assets.raw.store import RawStore
from strava_assets.state.revocations import waits_to_be_purged
from strava_assets.sync.fetch import Fetched


def specs_of_raw_activities(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is checked when hours are fetched."""
    return [
        dg.AssetCheckSpec(
            "all_athletes_fetched",
            asset=key,
            description="Every athlete who is logged in could be fetched, their tokens are being refreshed, and nobody "
            "who withdrew access waits to be purged.",
        )
    ]


def specs_of_strava_activity(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is checked when hours are loaded."""
    return [
        dg.AssetCheckSpec(
            "no_rejects", asset=key, description="strava_activity_reject is empty: every activity is a valid row."
        ),
        dg.AssetCheckSpec(
            "rows_match_objects",
            asset=key,
            description="Every row of the run's hours has its raw object, and every object's activities are rows or "
            "rejects.",
        ),
        dg.AssetCheckSpec(
            "plausible_values",
            asset=key,
            description="No negative distance, no moving time above the elapsed time, no start before there were "
            "bicycles.",
        ),
        dg.AssetCheckSpec(
            "archived_activities_on_strava",
            asset=key,
            description="Strava's API lists every activity that a bulk export has, in the hours that were fetched.",
        ),
    ]


TOKEN_IS_STALE = timedelta(days=1)
"""An hourly run refreshes a token that has expired, so none should be expired for so long."""

MAX_OBJECTS_READ = 500
"""Of a longer range, so many of its newest objects are compared activity by activity."""

NAMED = 20
"""How many ids a sentence names."""


def all_athletes_fetched(fetched: Fetched, revoked: Mapping[int, datetime]) -> dg.AssetCheckResult:
    """Fails naming each athlete who could not be read, and why; `revoked` are those whom Strava says to be gone."""
    now = datetime.now(UTC)
    problems = [str(trouble) for trouble in fetched.errors.values()]
    problems += [
        f"The token of athlete {athlete.id} expired on {athlete.expires_at:%Y-%m-%d %H:%M} UTC and was not refreshed."
        for athlete in fetched.athletes
        if athlete.id not in fetched.errors and athlete.expires_at and now - athlete.expires_at > TOKEN_IS_STALE
    ]
    problems += [waits_to_be_purged(athlete_id, since) for athlete_id, since in revoked.items()]
    return _result("all_athletes_fetched", " ".join(problems), f"Every athlete was fetched: {len(fetched.athletes)}.")


def no_rejects(connection: Connection) -> dg.AssetCheckResult:
    """Warns of rejects, naming the activities and the first fault of some."""
    rejects = connection.execute(
        text(
            "SELECT coalesce(id::text, digest) AS key, errors->>0 AS fault "
            "FROM strava_activity_reject ORDER BY last_seen"
        )
    ).all()
    faults = "; ".join(f"{reject.key}: {reject.fault}" for reject in rejects[-3:])
    return _result(
        "no_rejects",
        rejects
        and f"strava_activity_reject holds invalid activities: {len(rejects)} "
        f"({_named(reject.key for reject in rejects)}); {faults}.",
        "Every activity is a valid row.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def rows_match_objects(connection: Connection, store: RawStore, window: Window) -> dg.AssetCheckResult:
    """Fails naming rows without an object, and activities of objects that are neither row nor reject."""
    unexplained: list[str] = []
    missing: list[int | str] = []
    for athlete_id in store.athletes():
        objects = store.objects(athlete_id, window)
        unexplained += [
            f"{athlete_id}/{hour:%Y-%m-%d %H:%M}"
            for hour in sorted(known_hours(connection, athlete_id, window, ["api"]) - set(objects))
        ]
        stored = {
            row.key
            for row in connection.execute(
                text(
                    "SELECT id::text AS key FROM strava_activity WHERE athlete_id = :athlete_id AND source = 'api' "
                    "AND start_date >= :start AND start_date < :end UNION ALL "
                    "SELECT coalesce(id::text, digest) FROM strava_activity_reject WHERE athlete_id = :athlete_id "
                    "AND hour >= :start AND hour < :end"
                ),
                {"athlete_id": athlete_id, "start": window.start, "end": window.end},
            )
        }
        for _, activities in store.read(athlete_id, list(objects)[-MAX_OBJECTS_READ:]):
            missing += [key for key in map(activity_key, activities) if str(key) not in stored]
    problems = []
    if unexplained:
        problems.append(f"{len(unexplained)} hours are in the mirror but have no raw object ({_named(unexplained)}).")
    if missing:
        problems.append(f"{len(missing)} activities of raw objects are neither row nor reject ({_named(missing)}).")
    return _result("rows_match_objects", " ".join(problems), "Rows and raw objects of these hours agree.")


def plausible_values(connection: Connection, window: Window) -> dg.AssetCheckResult:
    """Warns of values that a device or an edit got wrong."""
    odd = (
        connection.execute(
            text(
                "SELECT id FROM strava_activity WHERE start_date >= :start AND start_date < :end AND (distance < 0 "
                "OR moving_time < 0 OR moving_time > elapsed_time OR average_speed < 0 "
                "OR start_date < '1900-01-01') ORDER BY id"
            ),
            {"start": window.start, "end": window.end},
        )
        .scalars()
        .all()
    )
    return _result(
        "plausible_values",
        odd and f"{len(odd)} activities have a negative value, or move for longer than they lasted ({_named(odd)}).",
        "All values are plausible.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def archived_activities_on_strava(connection: Connection) -> dg.AssetCheckResult:
    """Warns of activities of exports in hours that the API states without them: they stay."""
    ids = not_on_strava(connection)
    return _result(
        "archived_activities_on_strava",
        ids
        and f"{len(ids)} activities of bulk exports are not listed by Strava's API ({_named(ids)}): deleted there, or "
        "private and hidden from the login. They stay; to delete them: strava-assets archive delete --not-on-strava.",
        "Strava's API lists every activity of the bulk exports, in the hours that were fetched.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def _result(
    name: str,
    problem: object,
    otherwise: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not problem,
        check_name=name,
        severity=severity,
        description=str(problem) if problem else otherwise,
    )


def _named(keys: Iterable[object]) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
