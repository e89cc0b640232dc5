"""The views of `strava_analytics` and the training report in Dagster.

A view is always right, so there is nothing to materialise: the views are shown with their lineage and columns. Only
`day`, on which most others stand, has a step: it checks what the views promise, and says where the athletes stand.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from strava_assets.defs.failures import failures
from strava_assets.defs.names import OWNERS, Names
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.run_tags import REPORT, reason_tags
from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.instance.personal_metadata import athlete_label
from strava_assets.mirror.database import transaction
from strava_assets.report.data import athletes
from strava_assets.report.making import fingerprint, store_report
from strava_assets.views import quality
from strava_assets.views.catalog import SCHEMA, View, views

AT_MOST = timedelta(hours=1)
"""Reports are made so often at most."""

FINGERPRINT = "made_from"
"""The metadata that says from which rows and settings the reports were made."""

CHECKS = {
    "day_has_no_gap": "Every day from an athlete's first activity to today is a row of `day`.",
    "days_sum_up_to_activities": "The sums over `day` equal those over `activity`, to a millionth.",
    "fitness_is_never_negative": "Fitness and fatigue are zero or more on every day.",
}


def make_analytics_assets(names: Names) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """The views, and `training_report`."""
    group = f"{names.group}_analytics"
    day = next(view for view in views() if view.name == "day")

    @dg.asset(
        key=names.view("day"),
        deps=_needs(day, names),
        group_name=group,
        description=day.description,
        kinds={"postgres", "view"},
        owners=OWNERS,
        metadata=_metadata(day),
        check_specs=[
            dg.AssetCheckSpec(name, asset=names.view("day"), description=description)
            for name, description in CHECKS.items()
        ],
        required_resource_keys=set(resource_keys(names)),
    )
    def analytics_day(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Check the views, and report each athlete's fitness and fatigue."""
        with failures(), transaction(resources_of(context, names).postgres.open()) as connection:
            results = [
                _result("day_has_no_gap", quality.days_missing(connection), "days are missing"),
                _result("days_sum_up_to_activities", quality.sums_that_differ(connection), "differ"),
                _result("fitness_is_never_negative", quality.negative_fitness(connection), "days are below zero"),
            ]
            stands = quality.today(connection)
        metadata = {
            athlete_label(name, row["athlete_id"]): round(float(row[name]), 2)
            for row in stands
            for name in ("activities", "load", "fitness", "fatigue", "form")
        }
        return dg.MaterializeResult(metadata=metadata, check_results=results)

    @dg.asset(
        key=names.training_report,
        deps=[names.view(view.name) for view in views()],
        group_name=group,
        description="One HTML page per athlete that loads nothing from other sites: what they did, and their fitness. "
        "In the bucket as `{prefix}/{athlete_id}/report.html`, and served beside Dagster's pages under `/reports/`.",
        kinds={"python", "s3", "html"},
        owners=OWNERS,
        required_resource_keys=set(resource_keys(names)),
    )
    def training_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Make every athlete's report."""
        with failures():
            return dg.MaterializeResult(metadata=_make_reports(resources_of(context, names)))

    others = [view for view in views() if view.name != "day"]
    specs = [
        dg.AssetSpec(
            names.view(view.name),
            deps=_needs(view, names),
            group_name=group,
            description=view.description,
            kinds={"postgres", "view"},
            owners=OWNERS,
            metadata=_metadata(view),
        )
        for view in others
    ]
    return [*specs, analytics_day, training_report]


def make_report_job(names: Names) -> Any:  # noqa: ANN401 - a private class of Dagster's
    """The job that checks the views and makes the reports."""
    return dg.define_asset_job(
        names.of("make_reports"),
        selection=dg.AssetSelection.assets(names.view("day"), names.training_report),
        executor_def=dg.in_process_executor,
        description="Checks the views of strava_analytics and makes every athlete's report.",
    )


def make_report_sensor(names: Names, job: Any, *, start: bool) -> dg.SensorDefinition:  # noqa: ANN401 - see above
    """The sensor that has reports made after a change."""

    @dg.sensor(
        name=names.of("strava_reports"),
        job=job,
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if start else dg.DefaultSensorStatus.STOPPED,
        description="Makes the training reports again when rows, settings or the day have changed, at most hourly.",
    )
    def strava_reports(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _request_reports(context, names, datetime.now(UTC))

    return strava_reports


def _request_reports(
    context: dg.SensorEvaluationContext, names: Names, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Compare with what the newest reports were made from; the cursor says when they were last asked for."""
    try:
        with (
            failures(but=(ConfigurationError, ServiceUnavailable)),
            transaction(resources_of(context, names).postgres.open()) as connection,
        ):
            if not athletes(connection):
                return dg.SkipReason("There is no activity yet.")
            found = fingerprint(connection)
    except (ConfigurationError, ServiceUnavailable) as error:
        return dg.SkipReason(str(error))
    newest = context.instance.get_latest_materialization_event(names.training_report)
    made_from = (
        newest.asset_materialization.metadata.get(FINGERPRINT) if newest and newest.asset_materialization else None
    )
    if made_from is not None and made_from.value == found:
        return dg.SkipReason("Nothing has changed since the reports were made.")
    if context.cursor and now - datetime.fromisoformat(json.loads(context.cursor)) < AT_MOST:
        return dg.SkipReason("Reports were made, or tried, less than an hour ago.")
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=reason_tags(REPORT))], cursor=json.dumps(now.isoformat()))


def _make_reports(resources: Resources) -> dict[str, Any]:
    engine, store = resources.postgres.open(), resources.s3.open_reports()
    with transaction(engine) as connection:
        made_from, known = fingerprint(connection), athletes(connection)
    made = {athlete_id: store_report(engine, store, athlete_id) for athlete_id in known}
    links = {
        athlete_label("report", athlete_id): dg.MetadataValue.url(f"/reports/athlete/{athlete_id}")
        for athlete_id, size in made.items()
        if size
    }
    return {"reports": len(links), "bytes": sum(made.values()), FINGERPRINT: made_from, **links}


def _needs(view: View, names: Names) -> list[dg.AssetKey]:
    tables = [names.strava_activity] if "strava_activity" in view.tables else []
    return [*tables, *(names.view(name) for name in sorted(view.needs))]


def _metadata(view: View) -> dict[str, Any]:
    columns = [dg.TableColumn(column.name, column.type, description=column.comment) for column in view.columns]
    return {
        "dagster/table_name": f"{SCHEMA}.{view.name}",
        "dagster/column_schema": dg.TableSchema(columns=columns),
    }


def _result(name: str, found: Mapping[int, object], what: str) -> dg.AssetCheckResult:
    named: Iterable[str] = (f"athlete {athlete_id}: {detail}" for athlete_id, detail in found.items())
    return dg.AssetCheckResult(
        passed=not found, check_name=name, description=f"{what}: {'; '.join(named)}" if found else CHECKS[name]
    )
