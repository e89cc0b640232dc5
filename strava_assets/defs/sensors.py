"""Sensors: find the hours that differ, and request runs for just those.

https://docs.dagster.io/guides/automate/sensors
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from redis import Redis

from strava_assets.defs.failures import failures
from strava_assets.defs.jobs import Jobs
from strava_assets.defs.names import Names
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.runs import not_under_way, request_for, windows_under_way, windows_yet_to_be_fetched
from strava_assets.defs.withdrawal_sensor import make_withdrawal_sensor
from strava_assets.errors import ConfigurationError, RateLimitExceeded
from strava_assets.hours import Window, merge_into_windows
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.resume_points import ResumePoints
from strava_assets.sync.compare import MAX_GAP, Comparer, Comparison
from strava_assets.webhooks.pending_events import Handled, PendingEvent, PendingEvents
from strava_assets.webhooks.processing import EventProcessor, ProcessedEvents

EVENTS_INTERVAL_SECONDS = 20
"""Seconds between two looks for webhook events: an upload can be queried within a minute, and idle days stay cheap."""


def make_sensors(settings: Settings, names: Names, jobs: Jobs, *, start: bool) -> list[dg.SensorDefinition]:
    """The sensors for changes, webhook events and withdrawals of access; `start` turns them on."""
    status = dg.DefaultSensorStatus.RUNNING if start else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=names.of("strava_changes"),
        job=jobs["sync_hours"],
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=settings.changes_interval_seconds,
        default_status=status,
        description="Lists the last days of Strava, compares with the mirror, and requests runs for the hours that "
        "differ: late uploads, edits, moves, deletions.",
    )
    def strava_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _compare(context, settings, names)

    @dg.sensor(
        name=names.of("strava_events"),
        job=jobs["sync_hours"],
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=EVENTS_INTERVAL_SECONDS,
        default_status=status,
        description="Turns Strava's webhook events, and hours that were requested, into runs: an upload can be queried "
        "within a minute.",
    )
    def strava_events(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _process_events(context, settings, names)

    return [strava_changes, strava_events, make_withdrawal_sensor(settings, names, jobs["purge_athlete"], start=start)]


def _compare(context: dg.SensorEvaluationContext, settings: Settings, names: Names) -> dg.SensorResult | dg.SkipReason:
    """One comparison of the look-back; no run keys, since the comparison itself says what is still to be done."""
    now = datetime.now(UTC)
    resources = resources_of(context, names)
    try:
        with (
            failures(but=(ConfigurationError, RateLimitExceeded)),
            resources.api.open(may_use_reserve=False, max_wait=timedelta(0)) as client,
        ):
            comparer = Comparer(client, resources.s3.open(), resources.postgres.open(), settings.max_delete_share)
            comparison = comparer.compare(settings.hours_since(now - settings.lookback, now))
            ResumePoints(resources.tokens.connect()).discard(comparison.windows)
    except (ConfigurationError, RateLimitExceeded) as error:
        return dg.SkipReason(str(error))
    for problem in comparison.problems:
        context.log.warning(problem)
    windows = not_under_way(comparison.windows, windows_under_way(context.instance, names))
    context.log.info("%s", comparison)
    if not windows:
        return dg.SkipReason(f"{comparison}.")
    return dg.SensorResult(run_requests=[request_for(window, names) for window in windows])


def _process_events(context: dg.SensorEvaluationContext, settings: Settings, names: Names) -> dg.SensorResult:
    """Forget what the previous tick dealt with, deal with what waits, and keep it in the cursor."""
    now = datetime.now(UTC)
    resources = resources_of(context, names)
    try:
        with failures(but=(ConfigurationError,)):
            redis = resources.tokens.connect()
            pending, queue = PendingEvents(redis), RefetchQueue(redis)
            _settle(pending, queue, context.cursor)
            waiting, windows = pending.waiting(now), queue.due(now)
            processed = (
                _process(waiting, settings, resources, redis, now=now) if waiting else ProcessedEvents(Handled(now))
            )
    except ConfigurationError as error:
        return dg.SensorResult(skip_reason=dg.SkipReason(str(error)), cursor=context.cursor)
    processed.handled.windows = windows
    queued = windows_yet_to_be_fetched(context.instance, names)
    wanted = windows_to_fetch(processed.hours, windows, settings.hours_since(settings.start_date, now))
    requests = [request_for(window, names) for window in not_under_way(wanted, queued)]
    said = _summary(processed, wanted)
    if waiting:
        context.log.info(said)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(said),
        cursor=processed.handled.to_cursor(),
    )


def windows_to_fetch(hours: Iterable[datetime], requested: Iterable[Window], partitions: Window) -> list[Window]:
    """The hours, merged, and the windows that were requested, as far as there are partitions for them.

    A wrong device clock can put an activity into the future; it is fetched when its hour comes.
    """
    clipped = [Window(max(each.start, partitions.start), min(each.end, partitions.end)) for each in requested]
    clipped = [each for each in clipped if each.start < each.end]
    merged = merge_into_windows((hour for hour in hours if hour in partitions), max_gap=MAX_GAP)
    return clipped + not_under_way(merged, clipped)


def _settle(pending: PendingEvents, queue: RefetchQueue, cursor: str | None) -> None:
    """The previous tick succeeded, or its cursor would not be here: its runs exist."""
    if handled := Handled.from_cursor(cursor):
        pending.settle(handled)
        for window in handled.windows:
            queue.settle(window, handled.at)


def _process(
    waiting: Sequence[PendingEvent], settings: Settings, resources: Resources, redis: Redis, *, now: datetime
) -> ProcessedEvents:
    with resources.api.open(may_use_reserve=False, max_wait=timedelta(0)) as client:
        engine = resources.postgres.open()

        def compare(athlete_id: int) -> Comparison:
            comparer = Comparer(client, resources.s3.open(), engine, settings.max_delete_share)
            return comparer.compare(settings.hours_since(now - settings.lookback, now), only=athlete_id)

        return EventProcessor(client, engine, PendingEvents(redis), compare=compare, now=now).notice(waiting)


def _summary(processed: ProcessedEvents, wanted: Sequence[Window]) -> str:
    said = [f"Events: {processed}." if str(processed) else "No events."]
    if wanted:
        said.append(f"Hours to fetch: {', '.join(map(str, wanted))}.")
    return " ".join(said)
