"""What became of an imported export, in a few lines for people."""

from collections.abc import Iterator

from strava_assets.archive.export import Export
from strava_assets.archive.importing import RawArchive, Tracks
from strava_assets.archive.loading import LoadedArchive

NAMED = 5
"""How many ids or reasons a line names."""


def lines(export: Export, raw: RawArchive, loaded: LoadedArchive, tracks: Tracks | None) -> Iterator[str]:
    """What was recognised, what became of the rows, which files there are, and what is wrong."""
    yield (
        f"{export.name}: athlete {raw.athlete_id}, {loaded.language}, {loaded.columns} columns, "
        f"up to {loaded.newest:%Y-%m-%d}; archive {raw.archive}"
    )
    counts = f"{loaded.inserted} new, {loaded.filled} filled, {loaded.known} already known from the API"
    more = {
        "unchanged": loaded.unchanged,
        "deleted on Strava and left out": loaded.deleted,
        "older than STRAVA_ARCHIVE_RETENTION_DAYS": loaded.too_old,
        "with a repeated id": loaded.read - loaded.rejected - loaded.too_old - loaded.files.total(),
    }
    counts += "".join(f", {count} {what}" for what, count in more.items() if count)
    yield f"{loaded.read} rows read: {counts}, {loaded.rejected} rejected"
    missing = sum(not export.has(path) for path in loaded.named_files)
    yield (
        f"files: {', '.join(f'{count} {kind}' for kind, count in raw.kinds.items())}; activities without a recording: "
        f"{loaded.files['none']}, with one that Strava could not export: {loaded.files['error']}, "
        f"with one that is missing: {missing}"
    )
    if tracks:
        there = f", {tracks.present} were there" if tracks.present else ""
        yield f"recordings: {tracks.copied} copied ({tracks.bytes / 1e6:.1f} MB){there}, {len(tracks.damaged)} damaged"
    if loaded.duplicates:
        yield f"repeated ids, of which the last row is used: {_some(loaded.duplicates)}"
    if loaded.reasons:
        yield f"rejected (all in strava_archive_reject): {_some(loaded.reasons, '; ')}"


def _some(values: list[int] | list[str], separator: str = ", ") -> str:
    more = [f"and {len(values) - NAMED} more"] if len(values) > NAMED else []
    return separator.join([*map(str, values[:NAMED]), *more])
