"""The two assets: which hours, call, report. What they do is in `fetching` and `mirroring`.

https://docs.dagster.io/guides/build/assets
"""

import warnings
from datetime import timedelta

import dagster as dg

from strava_assets.defs import checks
from strava_assets.defs.failures import as_dagster_failure
from strava_assets.defs.metadata import athlete_errors, fetch_summary, report_hours, result
from strava_assets.defs.partitions import hourly, window_of
from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens, Strava
from strava_assets.defs.run_tags import CONFIRMED_TAG, FETCHED_TAG, HOURLY_RUN_TAG
from strava_assets.hours import Window
from strava_assets.instance.process_tags import process_tags
from strava_assets.mirror.database import transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.preview import preview
from strava_assets.mirror.table import activity as activity_table
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.state.resume_points import ResumePoints
from strava_assets.state.revocations import Revocations
from strava_assets.sync.airflow_rows import adopt_old_rows
from strava_assets.sync.fetch import Fetched, Fetcher
from strava_assets.sync.load import mirror_window

# That Dagster may change a parameter concerns whoever raises the pinned version, not everybody who runs a command.
warnings.simplefilter("ignore", dg.BetaWarning)


SHORT_WAIT = timedelta(minutes=1)
"""A run waits this long for Strava's window; longer, and it gives its place in the queue to others."""


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
            report_hours(context, store, fetched)
            summary = {
                **fetch_summary(fetched),
                "api_requests": client.requests_made,
                "quota": str(client.quota()),
            }
        return result(context, window, summary, [checks.all_athletes_fetched(fetched, Revocations(redis).athletes())])


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
            **athlete_errors(mirrored.errors),
        }
        return result(context, window, summary, results)


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
    return result(context, window, summary, [check])
