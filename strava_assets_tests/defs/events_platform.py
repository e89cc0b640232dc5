"""The simulated Strava, Redis and Dagster's instance, as tests of the sensor for webhook events use them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from redis import Redis
from sqlalchemy import create_engine, make_url, text

from strava_assets.defs.build import build_definitions
from strava_assets.defs.run_tags import window_of_tags
from strava_assets.hours import Window, floor_to_hour, from_partition_key
from strava_assets.settings import Settings
from strava_assets.simulator.simulation import Simulation
from strava_assets.state import keys
from strava_assets.webhooks.events import Event
from strava_assets_tests.dagster_runs import problem, tick

THIS_HOUR = floor_to_hour(datetime.now(UTC))
DAYS_AGO = THIS_HOUR - timedelta(days=4)

_times = itertools.count(1763812800)


class Platform:
    """The simulated Strava, Redis, and Dagster's instance."""

    def __init__(self, strava: Simulation, environment: dict[str, str], instance: dg.DagsterInstance) -> None:
        self.strava = strava
        self.redis = Redis.from_url(environment["REDIS_URL"])
        self.instance = instance
        self._database = make_url(environment["DATABASE_URL"])

    def post(self, aspect: str, activity_id: int, owner_id: int = 42) -> None:
        """Put an event into the stream, as the receiver does."""
        event = Event("activity", aspect, activity_id, owner_id, next(_times))
        self.redis.xadd(keys.EVENTS, {"event": event.to_json()})

    def post_revocation(self, athlete_id: int) -> None:
        event = Event("athlete", "update", athlete_id, athlete_id, next(_times), revokes=True)
        self.redis.xadd(keys.EVENTS, {"event": event.to_json()})

    def tick(self) -> dg.SensorResult:
        """One tick."""
        return tick("strava_events", self.instance)

    def sync(self) -> list[Window]:
        """A tick, and the runs that it requests; their windows."""
        requests = self.tick().run_requests or []
        for request in requests:
            self.run(request)
        return [window for request in requests if (window := window_of_tags(request.tags))]

    def run(self, request: dg.RunRequest, *, fails: bool = False) -> None:
        """Run what a tick requested, as the daemon does."""
        job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
        result = job.execute_in_process(instance=self.instance, tags=request.tags, raise_on_error=False)
        assert result.success is not fails, problem(result)

    def look_again(self) -> None:
        """Let the time pass after which events are looked up again."""
        later: Any = self.redis.zrange(keys.EVENTS_LATER, 0, -1)
        for entry in later:
            self.redis.zadd(keys.EVENTS_LATER, {entry: THIS_HOUR.timestamp()})

    def mirrored(self) -> set[int]:
        engine = create_engine(self._database)
        with engine.connect() as connection:
            found = set(connection.execute(text("SELECT id FROM strava_activity")).scalars())
        engine.dispose()
        return found

    def lookups(self) -> int:
        return sum(1 for each in self.strava.requests if each.path.startswith("/api/v3/activities/"))


def requested(result: dg.SensorResult) -> list[Window]:
    tags = [request.tags for request in result.run_requests or [] if request.job_name == "sync_hours"]
    return [
        Window.of(
            from_partition_key(each["dagster/asset_partition_range_start"]),
            from_partition_key(each["dagster/asset_partition_range_end"]),
        )
        for each in tags
    ]


def message(result: dg.SensorResult) -> str:
    assert isinstance(result.skip_reason, dg.SkipReason)
    return result.skip_reason.skip_message or ""
