"""Whether anything waits in Redis that the sensor `strava_events` deals with: one round trip for its idle ticks."""

from datetime import datetime

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering


def has_work(redis: Redis, now: datetime) -> bool:
    """Whether there are events, or hours that are due. Raises ServiceUnavailable without Redis."""
    with answering(redis), redis.pipeline(transaction=False) as pipeline:
        pipeline.exists(keys.EVENTS)
        for queue in (keys.EVENTS_LATER, keys.REFETCH_QUEUE):
            pipeline.zcount(queue, "-inf", now.timestamp())
        return any(pipeline.execute())
