"""The raw objects: one JSON array per athlete and hour, as Strava's API returned it.

Reads and writes go through obstore, many at a time.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import obstore

from strava_assets.errors import UnreadableObject
from strava_assets.hours import Window
from strava_assets.raw.activity import RawActivity, activity_key, join_array, split_array
from strava_assets.raw.bucket import Bucket, concurrently
from strava_assets.raw.keys import archive_prefix, athlete_prefix, from_object_key, object_key


@dataclass(frozen=True)
class RawObject:
    """What the bucket's listing says of one raw object."""

    hour: datetime
    size: int
    etag: str | None
    last_modified: datetime


@dataclass(frozen=True)
class Written:
    """What a write did: objects whose content differed and was put, those left as they were, bytes put."""

    objects: int = 0
    unchanged: int = 0
    bytes: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.objects + other.objects, self.unchanged + other.unchanged, self.bytes + other.bytes)


class RawStore(Bucket):
    """Reads, writes and lists the raw objects of a bucket."""

    def url(self, athlete_id: int, hour: datetime) -> str:
        """Where the hour's object lies: `s3://lifedata/stravaact/42/20261122T130000.json`."""
        return f"s3://{self._bucket}/{object_key(self._prefix, athlete_id, hour)}"

    def objects(self, athlete_id: int, window: Window) -> dict[datetime, RawObject]:
        """The athlete's objects of the window, by hour, oldest first."""
        prefix = athlete_prefix(self._prefix, athlete_id)
        # Keys sort like their hours: start just before the window, stop just after it.
        archive = archive_prefix(self._prefix, athlete_id)
        before = object_key(self._prefix, athlete_id, window.start).removesuffix(".json")
        found: dict[datetime, RawObject] = {}
        with self._clear_errors():
            for chunk in obstore.list(self._store, prefix, offset=before, chunk_size=1000):
                for meta in chunk:
                    name = from_object_key(meta["path"])
                    if (name and name[1] >= window.end) or (not name and meta["path"].startswith(archive)):
                        return found  # what an athlete's exports hold comes after all hours
                    if name and name[1] in window:
                        hour = name[1]
                        found[hour] = RawObject(hour, meta["size"], _bare(meta["e_tag"]), meta["last_modified"])
        return found

    def write(
        self,
        athlete_id: int,
        hours: Mapping[datetime, Sequence[RawActivity]],
        existing: Mapping[datetime, RawObject] | None = None,
    ) -> tuple[Written, dict[datetime, str | None]]:
        """Write each hour's activities as its object; hours whose `existing` object says the same stay.

        What was done, and each object's ETag now.
        """
        existing = existing or {}
        written = Written()
        etags: dict[datetime, str | None] = {}

        async def put(body: tuple[datetime, bytes]) -> None:
            done = await obstore.put_async(
                self._store,
                object_key(self._prefix, athlete_id, body[0]),
                body[1],
                attributes={"Content-Type": "application/json"},
            )
            etags[body[0]] = _bare(done["e_tag"])

        def changed() -> Iterator[tuple[datetime, bytes]]:
            nonlocal written
            for hour, activities in hours.items():
                body = _body(activities)
                there = existing.get(hour)
                if there and _says(there, body):
                    written += Written(unchanged=1)
                    etags[hour] = there.etag
                else:
                    written += Written(objects=1, bytes=len(body))
                    yield hour, body

        with self._clear_errors():
            for _ in concurrently(put, changed()):
                pass
        return written, etags

    def losses(
        self,
        athlete_id: int,
        hours: Mapping[datetime, Sequence[RawActivity]],
        existing: Mapping[datetime, RawObject],
    ) -> dict[datetime, dict[int | str, RawActivity]]:
        """What the `existing` objects hold that writing these hours would take out of them, by hour and key.

        Only objects whose content would change are read. One that is not a JSON array holds nothing that could be lost.
        """
        changing = [
            hour
            for hour, activities in hours.items()
            if hour in existing and not _says(existing[hour], _body(activities))
        ]
        found: dict[datetime, dict[int | str, RawActivity]] = {}
        for hour, body in self._bodies(athlete_id, changing):
            with suppress(ValueError):
                there = {activity_key(each): each for each in split_array(body.decode("utf-8", "surrogatepass"))}
                if lost := there.keys() - {activity_key(each) for each in hours[hour]}:
                    found[hour] = {key: there[key] for key in lost}
        return found

    def read(self, athlete_id: int, hours: Sequence[datetime]) -> Iterator[tuple[datetime, list[RawActivity]]]:
        """The activities of each hour's object, in the order of `hours`; a bounded number at a time.

        Hours whose object has vanished since it was listed are left out. Raises UnreadableObject for an object
        that is not a JSON array of objects, naming it.
        """
        for hour, body in self._bodies(athlete_id, hours):
            yield hour, self._parse(athlete_id, hour, body)

    def _bodies(self, athlete_id: int, hours: Sequence[datetime]) -> Iterator[tuple[datetime, bytes]]:
        async def get(hour: datetime) -> tuple[datetime, bytes | None]:
            try:
                answer = await obstore.get_async(self._store, object_key(self._prefix, athlete_id, hour))
                return hour, bytes(await answer.bytes_async())
            except FileNotFoundError:
                return hour, None

        with self._clear_errors():
            for hour, body in concurrently(get, iter(hours)):
                if body is not None:
                    yield hour, body

    def _parse(self, athlete_id: int, hour: datetime, body: bytes) -> list[RawActivity]:
        try:
            return split_array(body.decode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise UnreadableObject(
                f"{self.url(athlete_id, hour)} is not a JSON array of activities: {error}. "
                f"Materialise raw_activities for that hour again.",
                athlete_id,
            ) from None


def _body(activities: Sequence[RawActivity]) -> bytes:
    return join_array(activities).encode("utf-8", "surrogatepass")


def _bare(etag: str | None) -> str | None:
    """An ETag without the quotes, which some servers leave out in some answers."""
    return etag and etag.strip('"')


def _says(existing: RawObject, body: bytes) -> bool:
    """Whether an object's ETag proves that it holds just these bytes.

    S3 gives the MD5 of what was put in one piece; encrypted buckets may give something else, which only
    costs a write.
    """
    return existing.etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
