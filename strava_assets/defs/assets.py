"""The two assets: which hours, call, report. What they do is in `sync/`.

https://docs.dagster.io/guides/build/assets
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from strava_assets.defs import checks
from strava_assets.defs.failures import failures, is_retried_soon, step_failures
from strava_assets.defs.metadata import (
    MAX_DETAILED_HOURS,
    ROW_COUNT,
    athlete_errors,
    fetch_summary,
    imported_sums,
    report_hours,
    report_rows,
    result,
)
from strava_assets.defs.names import OWNERS, Names
from strava_assets.defs.partitions import hours_of, window_of
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.run_tags import BY_HAND, FETCHED_TAG, REASON_TAG, SCHEDULE
from strava_assets.errors import AthleteError, StravaAssetsError
from strava_assets.hours import Window
from strava_assets.instance.personal_metadata import PREVIEW
from strava_assets.instance.process_tags import process_tags
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.preview import preview
from strava_assets.mirror.queries import rows_by_hour
from strava_assets.mirror.table import activity as activity_table
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.revocations import Revocations
from strava_assets.strava.withdrawal import doubts
from strava_assets.sync.fetch import Fetched, make_fetcher
from strava_assets.sync.load import load_window

SHORT_WAIT = timedelta(minutes=1)
"""A run waits this long for Strava's rate limit; longer, and it gives its place in the queue to others."""

Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]


def make_assets(
    settings: Settings, names: Names, partitions: dg.HourlyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """`raw_activities` and `strava_activity`, with their checks."""
    common: dict[str, Any] = {
        "partitions_def": partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "group_name": names.group,
        "owners": OWNERS,
        "tags": {"source": "strava"},
        "required_resource_keys": set(resource_keys(names)),
        "freshness_policy": dg.FreshnessPolicy.cron(
            deadline_cron="10 * * * *", lower_bound_delta=timedelta(hours=1), timezone="UTC"
        ),
    }

    @dg.asset(
        key=names.raw_activities,
        kinds={"python", "s3", "json"},
        description="What Strava's API returned for an hour: one JSON array per athlete, of the activities that "
        "started in it, stored verbatim in `{prefix}/{athlete_id}/{hour}.json`.",
        check_specs=checks.specs_of_raw_activities(names.raw_activities),
        **common,
    )
    def raw_activities(context: dg.AssetExecutionContext) -> Results:
        """Fetch the run's hours of all athletes and write them as raw objects."""
        resources = resources_of(context, names)
        with _step(context, settings, resources) as window:
            try:
                yield _fetch(context, window, settings, resources)
            except StravaAssetsError as error:
                if not is_retried_soon(error, context):
                    yield from _refused(error, resources)
                raise

    @dg.asset(
        key=names.strava_activity,
        deps=[names.raw_activities, names.strava_archive],
        kinds={"python", "postgres", "table"},
        description="The table `strava_activity`: one row per activity, an exact mirror of the raw objects. Activities "
        "that only a bulk export has are there, too (`source`).",
        metadata={"dagster/table_name": "public.strava_activity", "dagster/column_schema": _column_schema()},
        check_specs=checks.specs_of_strava_activity(names.strava_activity),
        **common,
    )
    def strava_activity(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Make the rows of the run's hours equal their raw objects."""
        resources = resources_of(context, names)
        with _step(context, settings, resources) as window:
            return _load(context, window, settings, resources)

    return [raw_activities, strava_activity]


@contextmanager
def _step(context: dg.AssetExecutionContext, settings: Settings, resources: Resources) -> Iterator[Window]:
    """The step of either asset: gives it the hours to work on, and makes its errors Dagster's."""
    with failures():
        window, redis = window_of(context, settings), resources.tokens.connect()
    _tag_process(context)
    with step_failures(context, window, RefetchQueue(redis)):
        yield window


def _fetch(
    context: dg.AssetExecutionContext, window: Window, settings: Settings, resources: Resources
) -> dg.MaterializeResult:
    if FETCHED_TAG in context.run.tags:
        return _already_fetched(context, window, resources)
    store, redis = resources.s3.open(), resources.tokens.connect()
    may_use_reserve = context.run.tags.get(REASON_TAG) == SCHEDULE
    with resources.api.open(may_use_reserve=may_use_reserve, max_wait=SHORT_WAIT, on_wait=context.log.info) as client:
        fetcher = make_fetcher(client, store, resources.postgres.open(), redis, settings.max_delete_share)
        fetched = fetcher.fetch(window)
        if fetched.assigned:
            context.log.info("Assigned %s rows of the Airflow DAG to their athlete.", fetched.assigned)
        report_hours(context, store, "activities", fetched.activities)
        summary = {
            **fetch_summary(fetched),
            "api_requests": client.requests_made,
            "quota": str(client.quota()),
        }
    refused = doubts(resources.tokens.open(), datetime.now(UTC))
    readable = [athlete for athlete in fetched.athletes if athlete.id not in fetched.errors]
    in_doubt = [refused[athlete.token_key] for athlete in readable if athlete.token_key in refused]
    check = checks.all_athletes_fetched(fetched, Revocations(redis).athletes(), in_doubt)
    return result(context, window, summary, [check])


def _refused(error: StravaAssetsError, resources: Resources) -> Results:
    """The check of a run that could fetch nothing, where Strava refuses athletes: it names them, and the ways out."""
    try:
        refused = doubts(resources.tokens.open(), datetime.now(UTC))
        revoked = Revocations(resources.tokens.connect()).athletes()
    except StravaAssetsError:
        return  # the run says already what is away
    errors = [error, *refused.values()] if isinstance(error, AthleteError) else list(refused.values())
    if errors or revoked:
        yield checks.all_athletes_fetched(Fetched(), revoked, errors)


def _already_fetched(context: dg.AssetExecutionContext, window: Window, resources: Resources) -> dg.MaterializeResult:
    store = resources.s3.open()
    sizes = {
        (athlete_id, hour): found.size
        for athlete_id in store.athletes()
        for hour, found in store.objects(athlete_id, window).items()
    }
    summary = {
        "fetched_at": context.run.tags[FETCHED_TAG],
        "objects": len(sizes),
        "bytes": sum(sizes.values()),
        "api_requests": 0,
        **imported_sums(context.run.tags, "activities", "objects_written", "objects_unchanged", "api_requests"),
    }
    if not hours_of(context).is_single_hour:
        report_hours(context, store, "bytes", {where: size for where, size in sizes.items() if size > len("[]")})
    fetched = Fetched(athletes=resources.tokens.open().athletes())
    revoked = Revocations(resources.tokens.connect()).athletes()
    return result(context, window, summary, [checks.all_athletes_fetched(fetched, revoked)])


def _load(
    context: dg.AssetExecutionContext, window: Window, settings: Settings, resources: Resources
) -> dg.MaterializeResult:
    store, engine = resources.s3.open(), resources.postgres.open()
    mirrored = load_window(store, engine, window, DeletionGuard(settings.max_delete_share))
    with transaction(engine) as connection:
        sample = preview(connection, window)
        rows = rows_by_hour(connection, window, MAX_DETAILED_HOURS)
        results = [
            checks.no_rejects(connection),
            checks.rows_match_objects(connection, mirrored, window),
            checks.no_deletions_wait(connection),
            checks.plausible_values(connection, window),
            checks.archived_activities_on_strava(connection),
        ]
    loaded = mirrored.loaded
    number = loaded.inserted + loaded.updated + loaded.unchanged
    summary = {
        ROW_COUNT: number,
        "rows": number,
        "inserted": loaded.inserted,
        "updated": loaded.updated,
        "deleted": loaded.deleted,
        "unchanged": loaded.unchanged,
        "rejected": loaded.rejected,
        "hours_mirrored": loaded.hours,
        PREVIEW: dg.MetadataValue.md(sample),
        **athlete_errors(mirrored.errors),
        **imported_sums(context.run.tags, "inserted", "updated", "deleted", "unchanged"),
    }
    if not hours_of(context).is_single_hour:
        report_rows(context, rows)
    return result(context, window, summary, results)


def _tag_process(context: dg.AssetExecutionContext) -> None:
    """Let run monitoring find a dead run of a command line, which no code server knows, and say that it was by hand."""
    tags = {} if ".dagster/grpc_info" in context.run.tags else process_tags()
    if REASON_TAG not in context.run.tags:
        tags[REASON_TAG] = BY_HAND
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)


def _column_schema() -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                str(column.type).lower(),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable), unique=column.primary_key),
            )
            for column in activity_table.columns
        ]
    )
