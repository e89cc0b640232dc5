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
from strava_assets.defs.run_tags import CHANGES, EVENTS, RATE_LIMIT, RECONCILE
from strava_assets.defs.runs import attempts, count_under_way, request_for
from strava_assets.defs.withdrawal_sensor import make_withdrawal_sensor
from strava_assets.errors import ConfigurationError, RateLimitExceeded, ServiceUnavailable, StravaAssetsError
from strava_assets.hours import Window, merge_into_windows
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue, Requested
from strava_assets.state.resume_points import ResumePoints
from strava_assets.sync.attempts import Attempt, due_pieces, has_failed, still_to_fetch
from strava_assets.sync.compare import MAX_GAP, Comparison
from strava_assets.webhooks.allowance import COST_OF_RUN, Allowance
from strava_assets.webhooks.pending_events import PendingEvent, PendingEvents
from strava_assets.webhooks.processing import EventProcessor, ProcessedEvents

RUNS_AT_ONCE = 5
"""Runs of one sensor that are queued or under way at once; what else is due waits for the next ticks."""

FAILURES_COUNT_FOR = timedelta(days=1)
"""For so long the sensor for changes remembers hours that failed."""


def make_sensors(settings: Settings, names: Names, jobs: Jobs, *, start: bool) -> list[dg.SensorDefinition]:
    """The sensors for changes, webhook events and withdrawals of access; `start` turns them on."""
    status = dg.DefaultSensorStatus.RUNNING if start else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=names.of("strava_changes"),
        job=jobs["sync_hours"],
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=settings.changes_interval_seconds,
        default_status=status,
        description="Compares the last STRAVA_LOOKBACK_DAYS on Strava with the mirror, and requests runs for the hours "
        "that differ: late uploads, edits, moves, deletions.",
    )
    def strava_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _compare(context, settings, names)

    @dg.sensor(
        name=names.of("strava_events"),
        job=jobs["sync_hours"],
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=settings.events_interval_seconds,
        default_status=status,
        description="Requests runs for Strava's webhook events and for hours in the refetch queue: an upload can be "
        "queried within a minute.",
    )
    def strava_events(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _process_events(context, settings, names)

    return [strava_changes, strava_events, make_withdrawal_sensor(settings, names, jobs["purge_athlete"], start=start)]


def _compare(context: dg.SensorEvaluationContext, settings: Settings, names: Names) -> dg.SensorResult | dg.SkipReason:
    """One comparison of the last days; no run keys, since the comparison itself says what is still to be done."""
    now = datetime.now(UTC)
    resources = resources_of(context, names)
    free = RUNS_AT_ONCE - count_under_way(context.instance, names, [CHANGES])
    if free < 1:
        return dg.SkipReason(
            f"{RUNS_AT_ONCE - free} of this sensor's runs are not over yet; it compares again when fewer are."
        )
    try:
        with (
            failures(but=(ConfigurationError, RateLimitExceeded)),
            resources.api.open(may_use_reserve=False, max_wait=timedelta(0)) as client,
        ):
            comparison = resources.comparer(settings, client).compare(
                settings.hours_since(now - settings.lookback, now)
            )
            ResumePoints(resources.tokens.connect()).discard(comparison.joined(free))
    except (ConfigurationError, RateLimitExceeded) as error:
        return dg.SkipReason(str(error))
    for problem in comparison.problems:
        context.log.warning(problem)
    context.log.info("%s", comparison)
    since = now - FAILURES_COUNT_FOR
    windows = windows_to_refresh(comparison, attempts(context.instance, names, since), since, now, most=free)
    if not windows:
        return dg.SkipReason(f"{comparison}.")
    return dg.SensorResult(run_requests=[request_for(window, names, CHANGES) for window in windows])


def windows_to_refresh(
    comparison: Comparison, runs: list[Attempt], since: datetime, now: datetime, *, most: int
) -> list[Window]:
    """The windows that runs should fetch now, at most `most` of them: what never failed comes first."""
    due = due_pieces(comparison.joined(most), since, runs, now, comparison.undated)
    hours = comparison.hours
    pieces = [piece for piece in due if any(hour in piece for hour in hours)]
    return sorted(pieces, key=lambda piece: has_failed(piece, since, runs))[:most]


def _process_events(
    context: dg.SensorEvaluationContext, settings: Settings, names: Names
) -> dg.SensorResult | dg.SkipReason:
    """Turn events into requested hours, and these into runs. Hours do not wait for events."""
    now, resources = datetime.now(UTC), resources_of(context, names)
    try:
        redis = resources.tokens.connect()
        waiting = PendingEvents(redis).waiting(now)
        processed = _process(waiting, settings, resources, redis, now=now) if waiting else ProcessedEvents()
    except (ConfigurationError, ServiceUnavailable) as error:
        return dg.SkipReason(str(error))
    with failures():
        requests = _requests(
            context.instance, RefetchQueue(redis), settings.hours_since(settings.start_date, now), names
        )
    summary = _summary(processed, requests)
    if waiting:
        context.log.info(summary)
    return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason(summary)


def _process(
    waiting: Sequence[PendingEvent], settings: Settings, resources: Resources, redis: Redis, *, now: datetime
) -> ProcessedEvents:
    """Put the hours that events are about into the refetch queue, and delete the events. An error is only reported."""
    processed = ProcessedEvents()
    try:
        with resources.api.open(may_use_reserve=False, max_wait=timedelta(0)) as client:
            engine = resources.postgres.open()

            def compare(athlete_id: int) -> Comparison:
                window = settings.hours_since(now - settings.lookback, now)
                return resources.comparer(settings, client).compare(window, only=athlete_id)

            pending, allowance = PendingEvents(redis), Allowance(redis, client.quota().day_limit, now)
            processed = EventProcessor(client, engine, pending, allowance, compare=compare, now=now).process(waiting)
        queue = RefetchQueue(redis)
        for window in merge_into_windows(processed.hours, max_gap=MAX_GAP):
            if allowance.take(COST_OF_RUN):
                queue.request(window, EVENTS)
            else:
                processed.outcomes["window left to the comparisons, since events have cost enough requests today"] += 1
        pending.settle(processed.handled)
    except StravaAssetsError as error:
        processed.add_error(error)
    return processed


def _requests(
    instance: dg.DagsterInstance, queue: RefetchQueue, partitions: Window, names: Names
) -> list[dg.RunRequest]:
    """Run requests for what is due in the refetch queue; what was fetched leaves it."""
    due = queue.due(datetime.now(UTC))
    if not due:
        return []
    runs = attempts(instance, names, min(each.requested_at for each in due))
    for each in due:
        if not _left(each, partitions, runs):
            queue.settle(each)
    free = RUNS_AT_ONCE - count_under_way(instance, names, [EVENTS, RATE_LIMIT, RECONCILE])
    wanted = windows_to_fetch(due, partitions, runs, datetime.now(UTC))
    return [request_for(window, names, reason) for window, reason in wanted[: max(0, free)]]


def windows_to_fetch(
    requested: Iterable[Requested], partitions: Window, runs: list[Attempt], now: datetime
) -> list[tuple[Window, str]]:
    """The windows that runs should fetch now, and why: what never failed as few runs, what did in small pieces.

    A wrong device clock can put an activity into the future; it is fetched when its hour comes.
    """
    alone: dict[Window, str] = {}
    together: dict[str, set[datetime]] = {}
    for each in requested:
        reason = each.reason or RATE_LIMIT
        for piece in due_pieces(_left(each, partitions, runs), each.requested_at, runs, now, each.whole):
            if has_failed(piece, each.requested_at, runs):
                alone.setdefault(piece, reason)
            else:
                together.setdefault(reason, set()).update(piece.hours())
    merged = {
        window: reason for reason, hours in together.items() for window in merge_into_windows(hours, max_gap=MAX_GAP)
    }
    return [*merged.items(), *((window, reason) for window, reason in alone.items() if window not in merged)]


def _left(requested: Requested, partitions: Window, runs: list[Attempt]) -> list[Window]:
    """What of requested hours has partitions and no run has fetched since."""
    start, end = max(requested.window.start, partitions.start), min(requested.window.end, partitions.end)
    return still_to_fetch(Window(start, end), requested.requested_at, runs, requested.whole)


def _summary(processed: ProcessedEvents, requests: Sequence[dg.RunRequest]) -> str:
    parts = [f"Events: {processed}." if str(processed) else "No events."]
    if requests:
        parts.append(f"Runs requested: {len(requests)}.")
    return " ".join(parts)
