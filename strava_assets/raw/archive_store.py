"""The raw objects of bulk exports: files as they are in the export, `{prefix}/{athlete_id}/archive/{archive}/...`."""

from collections.abc import Iterator

import obstore

from strava_assets.errors import RawObjectMissing
from strava_assets.raw.bucket import Bucket, concurrently
from strava_assets.raw.keys import archive_prefix

BYTES_PER_BATCH = 8 * 2**20
"""Bytes in memory at once, but for the last file that fits in: recordings have from 10 kB to some megabytes."""

ACTIVITIES = "activities.csv"
"""The table that makes an export one; the SHA-256 of it names the archive."""


class ArchiveStore(Bucket):
    """Reads, writes and lists the objects of bulk exports, in the bucket of the raw objects."""

    def archive_url(self, athlete_id: int, archive: str) -> str:
        """Where an export's objects lie: `s3://lifedata/stravaact/42/archive/0123456789ab/`."""
        return f"s3://{self._bucket}/{archive_prefix(self._prefix, athlete_id, archive)}"

    def archives(self) -> list[tuple[int, str]]:
        """The exports that are in the bucket, which they are when their activities are, each with its athlete."""
        return [(athlete_id, archive) for athlete_id in self.athletes() for archive in self._archives_of(athlete_id)]

    def _archives_of(self, athlete_id: int) -> list[str]:
        prefix = archive_prefix(self._prefix, athlete_id)
        with self._clear_errors():
            folders = obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]
            names = sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)
            return [name for name in names if self._exists(f"{prefix}{name}/{ACTIVITIES}")]

    def _exists(self, key: str) -> bool:
        # Some servers list a folder for a while after its last object is gone.
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def archive_files(self, athlete_id: int, archive: str) -> dict[str, int]:
        """The files of an export that are in the bucket, and their sizes in bytes."""
        prefix = archive_prefix(self._prefix, athlete_id, archive)
        with self._clear_errors():
            chunks = obstore.list(self._store, prefix, chunk_size=1000)
            return {meta["path"].removeprefix(prefix): meta["size"] for chunk in chunks for meta in chunk}

    def read_archive_file(self, athlete_id: int, archive: str, path: str) -> bytes:
        """One file of an export. Raises RawObjectMissing where it is not in the bucket."""
        key = archive_prefix(self._prefix, athlete_id, archive) + path
        with self._clear_errors():
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                raise RawObjectMissing(
                    f"s3://{self._bucket}/{key} is not there any more. Import that archive again, or delete it: "
                    f"strava-assets archive delete {archive}"
                ) from None

    def write_archive_files(
        self, athlete_id: int, archive: str, files: Iterator[tuple[str, bytes]]
    ) -> Iterator[tuple[str, int]]:
        """Put files, many at a time, while they are read. Gives name and size of each that is there."""
        prefix = archive_prefix(self._prefix, athlete_id, archive)

        async def put(file: tuple[str, bytes]) -> tuple[str, int]:
            await obstore.put_async(self._store, prefix + file[0], file[1])
            return file[0], len(file[1])

        with self._clear_errors():
            for batch in _batches(files):
                yield from concurrently(put, iter(batch), len(batch))


def _batches(files: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """As many files as may be in memory at once."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    for file in files:
        batch.append(file)
        size += len(file[1])
        if size >= BYTES_PER_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
