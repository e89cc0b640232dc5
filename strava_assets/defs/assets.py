"""The two assets: which hours, call, report. What they do is in `fetching` and `mirroring`.

https://docs.dagster.io/guides/build/assets
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from strava_assets.defs import checks
from strava_assets.defs.partitions import hourly, window_of
from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens, Strava
from strava_assets.errors import AthleteError, RateLimitExceeded, StravaAssetsError, TransientError
from strava_assets.hours import Window, partition_key
from strava_assets.instance.process_tags import process_tags
from strava_assets.mirror.database import transaction
from strava_assets.mirror.load import DeletionGuard
from strava_assets.mirror.preview import preview
from strava_assets.mirror.table import activity as activity_table
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.revocations import Revocations
from strava_assets.sync.airflow_rows import adopt_old_rows
from strava_assets.sync.fetch import Fetched, Fetcher, ResumePoints
from strava_assets.sync.load import mirror_window

# That Dagster may change a parameter concerns whoever raises the pinned version, not everybody who runs a command.
warnings.simplefilter("ignore", dg.BetaWarning)

HOURLY_RUN_TAG = "strava_assets/hourly"
"""Marks the schedule's runs, the only ones that may use the reserve of Strava's request window."""

FETCHED_TAG = "strava_assets/fetched_at"
"""Marks a run that records what an import has just fetched, so that it need not fetch it again."""

CONFIRMED_TAG = "strava_assets/confirmed_deletions"
"""The id of the athlete whose deletions somebody confirmed for this run."""

SHORT_WAIT = timedelta(minutes=1)
"""A run waits this long for Strava's window; longer, and it gives its place in the queue to others."""

RETRY_AFTER_SECONDS = 5
"""After trouble that may pass, a step is tried again so much later, twice; what is left the sensor repairs."""

MAX_DETAILED_HOURS = 500
"""Hours of a range that get metadata of their own; Dagster's cost of it grows with the square."""

OWNERS = ["team:athletes"]


@dg.asset(
    partitions_def=hourly,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="strava",
    kinds={"python", "s3", "json"},
    owners=OWNERS,
    tags={"source": "strava"},
    description="What Strava's API says of an hour: a JSON array of every athlete's activities that started in it, "
    "kept to the letter in `{prefix}/{athlete_id}/{hour}.json`.",
    freshness_policy=dg.FreshnessPolicy.cron(
        deadline_cron="10 * * * *", lower_bound_delta=timedelta(hours=1), timezone="UTC"
    ),
    check_specs=[checks.ALL_ATHLETES_FETCHED],
)
def raw_activities(
    context: dg.AssetExecutionContext, strava: Strava, bucket: RawBucket, postgres: Postgres, tokens: RedisTokens
) -> dg.MaterializeResult:
    """Fetch the run's hours of all athletes and write them as raw objects."""
    with as_dagster_failure(context, tokens):
        window = window_of(context.partition_keys)
        _tag_process(context)
        store = bucket.open()
        if FETCHED_TAG in context.run.tags:
            return _already_fetched(context, store, window, tokens)
        engine, redis = postgres.open(), tokens.connect()
        may_use_reserve = HOURLY_RUN_TAG in context.run.tags
        with strava.open(may_use_reserve=may_use_reserve, max_wait=SHORT_WAIT, on_wait=context.log.info) as client:
            client.athletes()
            if adopted := adopt_old_rows(engine, tokens.open()):
                context.log.info("Adopted %s rows of the old DAG.", adopted)
            fetched = Fetcher(client, store, ResumePoints(redis), engine).fetch(window)
            _report_hours(context, store, fetched)
            summary = {
                **_summary(fetched),
                "api_requests": client.requests_made,
                "quota": str(client.quota()),
            }
        return _result(context, window, summary, [checks.all_athletes_fetched(fetched, Revocations(redis).athletes())])


@dg.asset(
    deps=[raw_activities],
    partitions_def=hourly,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="strava",
    kinds={"python", "postgres", "table"},
    owners=OWNERS,
    tags={"source": "strava"},
    description="The table `strava_activity`: an exact mirror of the raw objects, one row an activity.",
    metadata={
        "dagster/table_name": "public.strava_activity",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    column.name,
                    str(column.type).lower(),
                    description=column.comment,
                    constraints=dg.TableColumnConstraints(nullable=bool(column.nullable), unique=column.primary_key),
                )
                for column in activity_table.columns
            ]
        ),
    },
    freshness_policy=dg.FreshnessPolicy.cron(
        deadline_cron="10 * * * *", lower_bound_delta=timedelta(hours=1), timezone="UTC"
    ),
    check_specs=[checks.NO_REJECTS, checks.ROWS_MATCH_OBJECTS, checks.PLAUSIBLE_VALUES],
)
def strava_activity(
    context: dg.AssetExecutionContext, bucket: RawBucket, postgres: Postgres, tokens: RedisTokens
) -> dg.MaterializeResult:
    """Make the rows of the run's hours equal their raw objects."""
    with as_dagster_failure(context, tokens):
        window = window_of(context.partition_keys)
        _tag_process(context)
        engine = postgres.open()
        confirmed = context.run.tags.get(CONFIRMED_TAG)
        max_share = Settings.from_environment().max_delete_share
        store = bucket.open()
        mirrored = mirror_window(
            store, engine, window, lambda athlete_id: DeletionGuard(max_share, str(athlete_id) == confirmed)
        )
        with transaction(engine) as connection:
            sample = preview(connection, window)
            results = [
                checks.no_rejects(connection),
                checks.rows_match_objects(connection, store, window),
                checks.plausible_values(connection, window),
            ]
        loaded = mirrored.loaded
        summary = {
            "dagster/partition_row_count": loaded.inserted + loaded.updated + loaded.unchanged,
            "inserted": loaded.inserted,
            "updated": loaded.updated,
            "deleted": loaded.deleted,
            "unchanged": loaded.unchanged,
            "rejected": loaded.rejected,
            "hours_mirrored": loaded.hours,
            "preview": dg.MetadataValue.md(sample),
            **_errors(mirrored.errors),
        }
        return _result(context, window, summary, results)


@contextmanager
def as_dagster_failure(context: dg.AssetExecutionContext, tokens: RedisTokens) -> Iterator[None]:
    """The one place where this project's errors become Dagster's: fail, retry soon, or go on after a window.

    A run that must wait long for Strava's window ends, so that the hourly run can pass, and its hours are
    asked for again: the sensor `strava_events` requests them once the window has refilled.
    """
    try:
        yield
    except RateLimitExceeded as error:
        RefetchQueue(tokens.connect()).ask(window_of(context.partition_keys), not_before=error.until)
        message = f"{error} These hours are fetched by themselves after {error.until:%Y-%m-%d %H:%M} UTC."
        raise dg.Failure(message, allow_retries=False) from None
    except TransientError as error:
        if context.retry_number >= 2:  # noqa: PLR2004 - the sensor repairs what three tries could not
            raise dg.Failure(str(error), allow_retries=False) from None
        context.log.warning(str(error))
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=RETRY_AFTER_SECONDS) from None
    except StravaAssetsError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def _tag_process(context: dg.AssetExecutionContext) -> None:
    """Let run monitoring find a dead run of a command line, which no code server knows."""
    if "dagster/grpc_info" not in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, process_tags())


def _already_fetched(
    context: dg.AssetExecutionContext, store: RawStore, window: Window, tokens: RedisTokens
) -> dg.MaterializeResult:
    objects = {athlete_id: store.objects(athlete_id, window) for athlete_id in store.athletes()}
    summary = {
        "fetched_at": context.run.tags[FETCHED_TAG],
        "objects": sum(map(len, objects.values())),
        "bytes": sum(found.size for of_athlete in objects.values() for found in of_athlete.values()),
        "api_requests": 0,
    }
    check = checks.all_athletes_fetched(
        Fetched(athletes=tokens.open().athletes()), Revocations(tokens.connect()).athletes()
    )
    return _result(context, window, summary, [check])


def _result(
    context: dg.AssetExecutionContext,
    window: Window,
    summary: dict[str, Any],
    check_results: list[dg.AssetCheckResult],
) -> dg.MaterializeResult:
    """The result of a run; a range's summary stands at its last hour.

    Dagster would copy a result's metadata into the event of each of 43,800 hours.
    """
    if len(context.partition_keys) == 1:
        return dg.MaterializeResult(metadata=summary, check_results=check_results)
    summary = {"window": str(window), **{f"window_{name.rpartition('/')[2]}": value for name, value in summary.items()}}
    context.add_asset_metadata(summary, partition_key=context.partition_keys[-1])
    return dg.MaterializeResult(check_results=check_results)


def _summary(fetched: Fetched) -> dict[str, Any]:
    return {
        "activities": fetched.activities.total(),
        "athletes": len(fetched.athletes),
        "objects_written": fetched.written.objects,
        "objects_unchanged": fetched.written.unchanged,
        "bytes_written": fetched.written.bytes,
        **{
            f"resumed_{athlete_id}": f"everything before {reached:%Y-%m-%d %H:%M} UTC was fetched by an earlier try"
            for athlete_id, reached in fetched.resumed.items()
        },
        **_errors(fetched.errors),
    }


def _errors(errors: Mapping[int, AthleteError]) -> dict[str, Any]:
    return {f"trouble_{athlete_id}": str(trouble) for athlete_id, trouble in errors.items()}


def _report_hours(context: dg.AssetExecutionContext, store: RawStore, fetched: Fetched) -> None:
    """Each hour with activities says how many, and links to its objects."""
    hours: dict[datetime, dict[str, Any]] = {}
    for (athlete_id, hour), count in sorted(fetched.activities.items(), key=lambda item: item[0][1], reverse=True):
        if count and (hour in hours or len(hours) < MAX_DETAILED_HOURS):
            details = hours.setdefault(hour, {"activities": 0})
            details["activities"] += count
            details[f"object_{athlete_id}"] = dg.MetadataValue.url(store.url(athlete_id, hour))
    for hour, details in hours.items():
        context.add_asset_metadata(details, partition_key=partition_key(hour))
