"""Writes events to the Redis stream, as many as wait at once in one round trip.

A burst of a thousand events would cost a thousand round trips otherwise, on a deadline of two seconds.
"""

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from strava_assets.state import keys
from strava_assets.webhooks.events import CAPACITY, Event

MAX_BATCH = 500


class EventWriter:
    """Adds events to the stream; each caller waits until its own event is stored."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, event: Event) -> None:
        """Store the event. Raises RedisError if Redis did not take it (or did not say so in time).

        May be cancelled: then the event is stored or not.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await stored

    async def _write_all(self) -> None:
        while self._waiting:
            # Whoever was refused in the meantime, because Redis hangs, posts again.
            waiting = [(event, stored) for event, stored in self._waiting if not stored.done()]
            batch, self._waiting = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
            error = await self._add([event for event, _ in batch]) if batch else None
            for _, stored in batch:
                if stored.done():
                    continue
                if error:
                    stored.set_exception(error)
                else:
                    stored.set_result(None)

    async def _add(self, events: list[Event]) -> RedisError | None:
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for event in events:
                    pipeline.xadd(keys.EVENTS, {"event": event.to_json()}, maxlen=CAPACITY, approximate=True)
                await pipeline.execute()
        except RedisError as error:
            return error
        return None
