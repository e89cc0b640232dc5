"""Importing a bulk export of 5,000 activities, in a zip of 6 GB, against a command that loads the definitions."""

import random
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from benchmarks.figure import Figure
from benchmarks.stack import Run, Stack, running
from strava_assets.archive.export import open_export
from strava_assets.archive.importing import identify, keep_tracks
from strava_assets.services import open_archive_store
from strava_assets.settings import Settings
from strava_assets.simulator.history import history
from strava_assets_tests.archive.exports import ExportFile

ROWS = 5000
RUNS = 5
MEDIA_BYTES = 6 * 2**30
TRACK_BYTES = 40_000
LOADING = ("-c", "import strava_assets.definitions")


def measure(*, quick: bool = False) -> Iterator[Figure]:
    """The command, and what it needs beyond its start; then the copies of the recordings."""
    runs = 1 if quick else RUNS
    with running(years=0.1, per_year=10) as stack, tempfile.TemporaryDirectory(prefix="strava-bench-") as folder:
        export = ExportFile(_activities(), athlete_id=4711)
        path = write_zip(Path(folder) / "export_4711.zip", export)
        loading = [stack.run(*LOADING) for _ in range(runs)]
        imports = [_import(stack, path, number) for number in range(runs)]
        seconds = statistics.median(run.seconds for run in imports) - statistics.median(run.seconds for run in loading)
        memory = max(run.memory for run in imports) - max(run.memory for run in loading)
        what = f"an export of {ROWS:,} rows, in a zip of {MEDIA_BYTES / 2**30:.0f} GB"
        yield Figure.at_most(
            f"{what}: beyond a command that loads the definitions", f"{seconds:.1f} s", seconds, 2, " s"
        )
        yield Figure.at_most("memory beyond that", f"{memory:.0f} MB", memory, 60, " MB")
        yield from _recordings(path)


def _recordings(path: Path) -> Iterator[Figure]:
    """Copying the recordings, against putting the same bytes that are in memory already."""
    store = open_archive_store(Settings.from_environment())
    with open_export(path) as export:
        raw = identify(export)
        before = time.perf_counter()
        tracks = keep_tracks(store, export, raw, lambda _: None)
        copied = time.perf_counter() - before
    content = random.Random(1).randbytes(TRACK_BYTES)
    before = time.perf_counter()
    count = sum(
        1 for _ in store.write_archive_files(1, "0" * 12, ((f"{each}", content) for each in range(tracks.copied)))
    )
    put = time.perf_counter() - before
    found = copied / put
    yield Figure.at_most(
        f"its {count:,} recordings of {TRACK_BYTES / 1000:.0f} kB into the bucket, against putting as many bytes",
        f"{copied:.1f} s / {put:.1f} s = {found:.2f}×, {tracks.bytes / 1e6 / copied:.0f} MB/s",
        found,
        1.2,
        "×",
    )


def write_zip(path: Path, export: ExportFile) -> Path:
    """An export with tracks and one sparse film, which takes no space on disk."""
    track = random.Random(1).randbytes(TRACK_BYTES)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        film = zipfile.ZipInfo("media/film.mp4")
        film.file_size = film.compress_size = MEDIA_BYTES
        film.header_offset = film.CRC = 0
        file = cast("IO[bytes]", archive.fp)
        file.write(film.FileHeader(zip64=True))
        file.seek(MEDIA_BYTES, 1)
        archive.filelist.append(film)
        archive.NameToInfo[film.filename] = film
        archive.start_dir = file.tell()
        for name, content in export.files().items():
            if name.startswith("activities/"):  # packed already, as real ones are
                archive.writestr(name, track, zipfile.ZIP_STORED)
            else:
                archive.writestr(name, content)
    return path


def _activities() -> list[dict[str, object]]:
    start, end = datetime(2005, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    return list(history(4711, start=start, end=end, per_year=300, seed=1))[:ROWS]


def _import(stack: Stack, path: Path, number: int) -> Run:
    """The first of them inserts all rows; so does every other, after the tables are empty again."""
    if number:
        stack.run(
            "-m", "strava_assets", "psql", "-c", "TRUNCATE strava_activity, strava_archive_activity, strava_archive"
        )
    return stack.run("-m", "strava_assets", "archive", "import", str(path))
