"""What every store in the bucket has in common: the way to it, whose folders are in it, and many requests at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

import obstore

from strava_assets.raw.s3_access import S3Access
from strava_assets.raw.s3_errors import clear_errors

CONCURRENCY = 32
"""Requests under way at once; more gained nothing against SeaweedFS and MinIO on loopback."""

OBJECTS_PER_BATCH = 512
"""Objects in memory at once: what bounds the memory of a long range."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Bucket:
    """A bucket with a folder for each athlete."""

    def __init__(self, access: S3Access) -> None:
        """Raises ConfigurationError where there are no usable credentials."""
        self._access = access
        self._bucket = access.bucket
        self._prefix = access.prefix
        self._store = access.store()

    def athletes(self) -> list[int]:
        """The athletes that have a folder."""
        with self._clear_errors():
            folders = obstore.list_with_delimiter(self._store, self._prefix or None)["common_prefixes"]
        names = (folder.rstrip("/").rpartition("/")[2] for folder in folders)
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _clear_errors(self) -> AbstractContextManager[None]:
        return clear_errors(self._access.where, self._bucket)


def concurrently(
    task: Callable[[Item], Awaitable[Result]], items: Iterator[Item], batch_size: int = OBJECTS_PER_BATCH
) -> Iterator[Result]:
    """Run `task` on all items, CONCURRENCY at once, and give the results in order, a batch at a time."""

    async def run(batch: list[Item]) -> list[Result]:
        turn = asyncio.Semaphore(CONCURRENCY)

        async def one(item: Item) -> Result:
            async with turn:
                return await task(item)

        return await asyncio.gather(*map(one, batch))

    while batch := list(islice(items, batch_size)):
        yield from asyncio.run(run(batch))
