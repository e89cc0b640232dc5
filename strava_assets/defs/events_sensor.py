"""The sensor of webhook events and of hours that were asked for: requests runs for them within seconds.

https://docs.dagster.io/guides/automate/sensors
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from redis import Redis

from strava_assets.defs.deletion_jobs import PurgeConfig, purge_athlete, purge_everything
from strava_assets.defs.jobs import sync_hours
from strava_assets.defs.resources import Postgres, RawBucket, RedisTokens, Strava
from strava_assets.defs.runs import first_hour, look_back, not_under_way, request_for, windows_yet_to_be_fetched
from strava_assets.errors import ConfigurationError, StravaAssetsError
from strava_assets.hours import Window, merge_into_windows
from strava_assets.settings import Settings
from strava_assets.state.refetch_queue import RefetchQueue
from strava_assets.state.revocations import Revocations, waits_to_be_purged
from strava_assets.sync.compare import MAX_GAP, Comparer, Comparison
from strava_assets.webhooks.pending_events import Handled, PendingEvent, PendingEvents
from strava_assets.webhooks.processing import EventProcessor, ProcessedEvents

PURGE_AGAIN = timedelta(hours=1)
"""A purge that failed is requested again so often, until nothing is left of the athlete."""


@dg.sensor(
    jobs=[sync_hours, purge_athlete],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Turns Strava's webhook events, and hours that were asked for, into runs: an upload can be queried "
    "within a minute.",
)
def strava_events(
    context: dg.SensorEvaluationContext, strava: Strava, bucket: RawBucket, postgres: Postgres, tokens: RedisTokens
) -> dg.SensorResult:
    """Forget what the previous tick dealt with, deal with what waits, and keep it in the cursor."""
    now = datetime.now(UTC)
    redis = tokens.connect()
    settings = Settings.from_environment()
    hints, asked = PendingEvents(redis), RefetchQueue(redis)
    try:
        _settle(hints, asked, context.cursor)
        waiting, windows = hints.waiting(now), asked.due(now)
        noticed = (
            _notice(waiting, strava, bucket, postgres, redis, now=now) if waiting else ProcessedEvents(Handled(now))
        )
        revoked = Revocations(redis).athletes()
    except ConfigurationError as error:
        return dg.SensorResult(skip_reason=dg.SkipReason(str(error)), cursor=context.cursor)
    except StravaAssetsError as error:
        raise dg.Failure(str(error)) from None
    noticed.handled.windows = windows
    queued = windows_yet_to_be_fetched(context.instance)
    wanted = windows_to_fetch(noticed.hours, windows, look_back(now, first_hour()))
    requests = [request_for(window, job_name=sync_hours.name) for window in not_under_way(wanted, queued)]
    if settings.purge_on_revoke == "auto":
        requests += [purge_request(athlete_id, since, now) for athlete_id, since in revoked.items()]
        revoked = {}
    said = _summary(noticed, wanted, revoked)
    if waiting:
        context.log.info(said)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(said),
        cursor=noticed.handled.to_cursor(),
    )


def windows_to_fetch(hours: Iterable[datetime], asked: Iterable[Window], partitions: Window) -> list[Window]:
    """The hours, merged, and the windows that were asked for, as far as there are partitions for them.

    A wrong device clock can put an activity into the future; it is fetched when its hour comes.
    """
    clipped = [Window(max(each.start, partitions.start), min(each.end, partitions.end)) for each in asked]
    clipped = [each for each in clipped if each.start < each.end]
    merged = merge_into_windows((hour for hour in hours if hour in partitions), max_gap=MAX_GAP)
    return clipped + not_under_way(merged, clipped)


def purge_request(athlete_id: int, since: datetime, now: datetime) -> dg.RunRequest:
    """A request to purge an athlete who withdrew access at `since`, the same one for an hour."""
    return dg.RunRequest(
        run_key=f"{athlete_id} revoked {since:%Y-%m-%dT%H:%M:%S}, try {(now - since) // PURGE_AGAIN}",
        job_name=purge_athlete.name,
        run_config=dg.RunConfig({purge_everything.name: PurgeConfig(athlete_id=athlete_id, only_if_revoked=True)}),
    )


def _settle(hints: PendingEvents, asked: RefetchQueue, cursor: str | None) -> None:
    """The previous tick succeeded, or its cursor would not be here: its runs exist."""
    if handled := Handled.from_cursor(cursor):
        hints.settle(handled)
        for window in handled.windows:
            asked.settle(window, handled.at)


def _notice(
    waiting: Sequence[PendingEvent],
    strava: Strava,
    bucket: RawBucket,
    postgres: Postgres,
    redis: Redis,
    *,
    now: datetime,
) -> ProcessedEvents:
    settings = Settings.from_environment()
    with strava.open(may_use_reserve=False, max_wait=timedelta(0)) as client:

        def compare(athlete_id: int) -> Comparison:
            comparer = Comparer(client, bucket.open(), postgres.open(), settings.max_delete_share)
            return comparer.compare(look_back(now, now - settings.lookback), only=athlete_id)

        hints, revoked = PendingEvents(redis), Revocations(redis)
        return EventProcessor(client, postgres.open(), hints, revoked, compare=compare, now=now).notice(waiting)


def _summary(noticed: ProcessedEvents, wanted: Sequence[Window], revoked: dict[int, datetime]) -> str:
    said = [f"Events: {noticed}." if str(noticed) else "No events."]
    if wanted:
        said.append(f"Hours to fetch: {', '.join(map(str, wanted))}.")
    said += [waits_to_be_purged(athlete_id, since) for athlete_id, since in revoked.items()]
    return " ".join(said)
