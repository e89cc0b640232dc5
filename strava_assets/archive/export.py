"""Opens an export: Strava's zip, the same packed again one folder deeper, or the unpacked folder.

Only what is asked for is read, and nothing is unpacked to disk: media are nearly all of the bytes.
"""

import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from strava_assets.errors import ArchiveUnreadable
from strava_assets.raw.archive_store import ACTIVITIES

STORED = (ACTIVITIES, "bikes.csv", "shoes.csv", "components.csv")
"""The tables of an export that are used. All else stays where it is: it has addresses, contacts and messages."""

MOST_RATIO = 100
"""A file that was packed smaller than that is no file of Strava's, but made to fill memory or disk."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OSError)
"""What zipfile raises for what is no whole zip, and (RuntimeError) for kinds of it that it cannot read."""

_DEEPEST = 2
_TRACK = re.compile(r"activities/[^/]+\.(?:fit|gpx|tcx)(?:\.gz)?", re.IGNORECASE)
_MEDIA = re.compile(r"media/.+")


class Files(Protocol):
    """Where the files of an export are; paths are relative to the folder that `activities.csv` is in."""

    @property
    def paths(self) -> Mapping[str, object]:
        """All files of the export."""

    def size(self, path: str) -> int:
        """The size of one of them, unpacked, in bytes."""

    def open(self, path: str) -> IO[bytes]:
        """Open one of them. Raises ArchiveUnreadable where it is packed in an impossible way."""


@dataclass(frozen=True)
class Export:
    """An export that is open for reading."""

    name: str
    """What the file or the folder is called."""
    files: Files

    def read(self, path: str) -> bytes:
        """All of one file. Raises ArchiveUnreadable where it is damaged."""
        with self.reading(path) as file:
            return file.read()

    @contextmanager
    def reading(self, path: str) -> Iterator[IO[bytes]]:
        """One file, open. Raises ArchiveUnreadable where it turns out to be damaged, also later."""
        try:
            with self.files.open(path) as file:
                yield file
        except _DAMAGED as error:
            raise ArchiveUnreadable(
                f"{path} in {self.name} cannot be read ({error}). Download the export again."
            ) from None

    def has(self, path: str) -> bool:
        """Whether the export has the file."""
        return path in self.files.paths

    def tracks(self) -> list[str]:
        """The original recordings, `activities/...`."""
        return sorted(path for path in self.files.paths if _TRACK.fullmatch(path))

    def kinds(self) -> dict[str, int]:
        """How many files of each kind there are: tracks by their ending, media, and all else."""
        return dict(sorted(Counter(_kind(path) for path in self.files.paths).items()))


@contextmanager
def open_export(path: Path) -> Iterator[Export]:
    """The export at a path, a zip or a folder. Raises ArchiveUnreadable where it is none, or is broken."""
    path = path.expanduser()  # zsh leaves it in `make up ARCHIVE=~/export.zip`, and Dagster's config everywhere
    with ExitStack() as opened:
        try:
            if path.is_dir():
                export = Export(path.resolve().name, _Folder(_root_of_folder(path)))
            elif not stat.S_ISREG(path.stat().st_mode):  # a device may have no end, and a pipe cannot be sought in
                raise ArchiveUnreadable(f"{path} is neither a file nor a folder.")
            else:
                file = opened.enter_context(path.open("rb"))
                export = Export(path.name, _open_zip(file, path.name))
        except OSError as error:
            raise ArchiveUnreadable(f"{path} cannot be read: {error.strerror or error}.") from None
        yield export


@contextmanager
def open_zip(file: IO[bytes], name: str) -> Iterator[Export]:
    """The export in an open zip, which can be anywhere that can be sought. Raises as `open_export` does."""
    yield Export(name, _open_zip(file, name))


def _open_zip(file: IO[bytes], name: str) -> "_Zip":
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGED:
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            raise ArchiveUnreadable(
                f"{name} is an incomplete zip: its end is missing, as after a broken download. Download it again."
            ) from None
        raise ArchiveUnreadable(
            f"{name} is not a zip file. Give the export as Strava sent it, or its folder."
        ) from None
    return _Zip(archive, name)


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        named = {entry.filename.replace("\\", "/"): entry for entry in archive.infolist()}
        # Not ZipInfo.is_dir, which fails for an empty name, as damage leaves one.
        entries = {path: entry for path, entry in named.items() if path and not path.endswith("/")}
        if unsafe := next((path for path in entries if _climbs(path)), None):
            raise ArchiveUnreadable(
                f"{name} holds a path that leaves its folder ({unsafe[:80]!r}). It is not Strava's."
            )
        root = _root(entries, name)
        self.paths = {path.removeprefix(root): entry for path, entry in entries.items() if path.startswith(root)}

    def size(self, path: str) -> int:
        return self.paths[path].file_size

    def open(self, path: str) -> IO[bytes]:
        entry = self.paths[path]
        if entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
            raise ArchiveUnreadable(
                f"{path} unpacks to {entry.file_size} bytes from {entry.compress_size}, more than {MOST_RATIO} times "
                f"as much. No file of Strava's does; nothing was read."
            )
        return self._archive.open(entry)


class _Folder:
    def __init__(self, root: Path) -> None:
        self.paths = {
            path.relative_to(root).as_posix(): path
            for path in root.rglob("*")
            if stat.S_ISREG(path.lstat().st_mode) and not path.name.startswith("._")  # no link out of the folder
        }
        if ACTIVITIES not in self.paths:
            raise ArchiveUnreadable(f"{root} has no {ACTIVITIES} of its own, only a link.")

    def size(self, path: str) -> int:
        return self.paths[path].stat().st_size

    def open(self, path: str) -> IO[bytes]:
        return self.paths[path].open("rb")


def _root(paths: Mapping[str, object], name: str) -> str:
    """The folder that holds `activities.csv`, as a prefix of the paths."""
    found = [
        path.removesuffix(ACTIVITIES)
        for path in paths
        if path.rpartition("/")[2] == ACTIVITIES and "__MACOSX" not in path and path.count("/") <= _DEEPEST
    ]
    return _only(found, name)


def _root_of_folder(folder: Path) -> Path:
    candidates = [folder, *(each for each in sorted(folder.iterdir()) if each.is_dir() and each.name != "__MACOSX")]
    found = [each.relative_to(folder).as_posix() for each in candidates if (each / ACTIVITIES).exists()]
    return folder / _only(found, folder.name)


def _only(found: list[str], name: str) -> str:
    if not found:
        raise ArchiveUnreadable(f"{name} has no {ACTIVITIES}, so it is not an export of Strava, or not all of it.")
    depth = min(len(PurePosixPath(each).parts) for each in found)
    highest = [each for each in found if len(PurePosixPath(each).parts) == depth]
    if len(highest) > 1:
        raise ArchiveUnreadable(f"{name} holds {len(highest)} exports ({', '.join(highest)}). Import one at a time.")
    return highest[0]


def _climbs(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/") or bool(re.match(r"[A-Za-z]:", path))


def _kind(path: str) -> str:
    if _TRACK.fullmatch(path):
        return path.partition(".")[2].lower()
    return "media" if _MEDIA.fullmatch(path) else "other"
