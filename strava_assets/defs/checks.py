"""Asset checks: what a run finds out about the data while it is there, in one sentence each.

They are about the whole table or the run's hours and belong to the assets' own steps: a step of their
own would cost a run more than the check itself.
https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Connection

from strava_assets.errors import AccessRevoked, AthleteError
from strava_assets.hours import Window
from strava_assets.mirror.archive import not_on_strava
from strava_assets.mirror.markdown import inert
from strava_assets.mirror.quality import hours_without_object, implausible_activities, invalid_activities
from strava_assets.mirror.unlisted import wait_for_confirmation, waiting_deletions
from strava_assets.strava.withdrawal import waits_to_be_purged
from strava_assets.sync.fetch import Fetched
from strava_assets.sync.listing import sentences
from strava_assets.sync.load import Mirrored


def specs_of_raw_activities(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is checked when hours are fetched."""
    return [
        dg.AssetCheckSpec(
            "all_athletes_fetched",
            asset=key,
            description="Every athlete who is logged in was fetched, their tokens are renewed, and nobody who withdrew "
            "access waits to be purged.",
        )
    ]


def specs_of_strava_activity(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is checked when hours are loaded."""
    return [
        dg.AssetCheckSpec(
            "no_rejects", asset=key, description="strava_activity_reject is empty: every activity is valid."
        ),
        dg.AssetCheckSpec(
            "rows_match_objects",
            asset=key,
            description="Every row of the run's hours has its raw object, and every object's activities are rows or "
            "rejects.",
        ),
        dg.AssetCheckSpec(
            "no_deletions_wait",
            asset=key,
            description="No activity that Strava no longer lists waits for somebody to confirm its deletion.",
        ),
        dg.AssetCheckSpec(
            "plausible_values",
            asset=key,
            description="No negative distance, no moving time above the elapsed time, no start before 1900.",
        ),
        dg.AssetCheckSpec(
            "archived_activities_on_strava",
            asset=key,
            description="Strava's API lists every activity that a bulk export has, in the hours that were fetched.",
        ),
    ]


TOKEN_IS_STALE = timedelta(days=1)
"""An hourly run refreshes a token that has expired, so none should be expired for so long."""

NAMED = 20
"""How many ids a sentence names."""


def all_athletes_fetched(
    fetched: Fetched, revoked: Mapping[int, datetime], doubts: Iterable[AthleteError] = ()
) -> dg.AssetCheckResult:
    """Fails naming each athlete who could not be fetched, and why.

    `revoked` are those who withdrew access, `doubts` are about logins that are good for reading, but not for long.
    """
    now = datetime.now(UTC)
    errors = [*fetched.left_out, *fetched.errors.values(), *doubts]
    to_purge = [each for each in errors if isinstance(each, AccessRevoked) and each.athlete_id in revoked]
    problems = list(dict.fromkeys(str(error) for error in errors if error not in to_purge))
    problems += [sentence for athlete_id, gaps in fetched.gaps.items() for sentence in sentences(athlete_id, gaps)]
    problems += [
        f"The token of athlete {athlete.id} expired on {athlete.expires_at:%Y-%m-%d %H:%M} UTC and was not refreshed."
        for athlete in fetched.athletes
        if athlete.id not in fetched.errors and athlete.expires_at and now - athlete.expires_at > TOKEN_IS_STALE
    ]
    problems += [waits_to_be_purged(athlete_id, since) for athlete_id, since in revoked.items()]
    resumed = [
        f" Everything of athlete {athlete_id} before {reached:%Y-%m-%d %H:%M} UTC was fetched by an earlier try."
        for athlete_id, reached in fetched.resumed.items()
    ]
    everyone = f"Every athlete was fetched: {len(fetched.athletes)}.{''.join(resumed)}"
    return _result("all_athletes_fetched", " ".join(problems), everyone)


def no_rejects(connection: Connection) -> dg.AssetCheckResult:
    """Warns of rejects, naming the activities; what is wrong with each stands in the table."""
    invalid = invalid_activities(connection)
    return _result(
        "no_rejects",
        invalid
        and f"Invalid activities in strava_activity_reject (column errors): {len(invalid)} ({_named(invalid)}).",
        "Every activity is valid.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def no_deletions_wait(connection: Connection) -> dg.AssetCheckResult:
    """Fails naming the athletes of whom deletions wait for a confirmation."""
    problems = [wait_for_confirmation(*waiting) for waiting in waiting_deletions(connection).items()]
    return _result("no_deletions_wait", " ".join(problems), "No deletion waits for a confirmation.")


def rows_match_objects(connection: Connection, mirrored: Mirrored, window: Window) -> dg.AssetCheckResult:
    """Fails naming rows without an object, activities of objects that are neither row nor reject, what did not load."""
    problems = [str(error) for error in mirrored.errors.values()]
    if unexplained := hours_without_object(connection, window, mirrored.hours):
        named = _named(f"athlete {athlete_id} {hour:%Y-%m-%d %H:%M}" for athlete_id, hour in unexplained)
        problems.append(f"Hours that are in the mirror but have no raw object: {len(unexplained)} ({named}).")
    if missing := mirrored.loaded.unmatched:
        problems.append(
            f"Activities of raw objects that are neither row nor reject: {len(missing)} ({_named(missing)})."
        )
    return _result("rows_match_objects", " ".join(problems), "Rows and raw objects of these hours agree.")


def plausible_values(connection: Connection, window: Window) -> dg.AssetCheckResult:
    """Warns of values that a device or an edit got wrong."""
    odd = implausible_activities(connection, window)
    return _result(
        "plausible_values",
        odd
        and f"Activities with a negative value, or a moving time above the elapsed time: {len(odd)} ({_named(odd)}).",
        "All values are plausible.",
        severity=dg.AssetCheckSeverity.WARN,
    )


def archived_activities_on_strava(connection: Connection) -> dg.AssetCheckResult:
    """Warns of activities of exports in hours that the API lists without them: they stay."""
    ids = not_on_strava(connection)
    return _result(
        "archived_activities_on_strava",
        ids
        and f"Activities of bulk exports that Strava's API does not list: {len(ids)} ({_named(ids)}). They were "
        "deleted there, or the login may not see them. They stay; to delete them: "
        "strava-assets archive delete --not-on-strava.",
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
        description=inert(str(problem)) if problem else otherwise,
    )


def _named(keys: Iterable[object]) -> str:
    names = [str(key) for key in keys]
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
