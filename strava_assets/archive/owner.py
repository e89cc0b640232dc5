"""Whose export it is: `activities.csv` does not say, `profile.csv` does."""

import csv
import io
import re

from strava_assets.archive.column_checks import is_id
from strava_assets.archive.export import Export
from strava_assets.errors import ArchiveUnreadable

PROFILE = "profile.csv"

_NAMED = re.compile(r"export_(\d+)", re.IGNORECASE)


def athlete_of(export: Export, named: int | None = None) -> int:
    """The athlete's id, which nothing in the export may contradict; `named` is the one that the user gave.

    Raises ArchiveUnreadable where the export is another athlete's, or does not say whose it is and nobody does.
    """
    in_profile = _in_profile(export)
    match = _NAMED.match(export.name)
    in_name = int(match[1]) if match else None
    if in_profile is None and named is None:
        hint = f" Its name suggests: --athlete {in_name}." if in_name is not None else ""
        raise ArchiveUnreadable(
            f"{export.name} does not say whose it is: {PROFILE} is missing or has no id. Name the athlete with "
            f"--athlete ID, the number in the address of the profile page on Strava.{hint}"
        )
    if in_profile is not None and named is not None and in_profile != named:
        raise ArchiveUnreadable(f"{export.name} is of athlete {in_profile}, not {named}; nothing was read.")
    athlete_id = in_profile if in_profile is not None else named
    if in_name is not None and in_name != athlete_id and named is None:
        raise ArchiveUnreadable(
            f"{export.name} is named after athlete {in_name}, but its {PROFILE} says {in_profile}. If that is right, "
            f"repeat with --athlete {in_profile}."
        )
    if in_name is not None and in_name != athlete_id and in_profile is None:
        raise ArchiveUnreadable(
            f"{export.name} is named after athlete {in_name}, not {named}, and has no {PROFILE} that would tell. "
            f"Rename it if it is of athlete {named}."
        )
    return int(athlete_id or 0)


def _in_profile(export: Export) -> int | None:
    if not export.has(PROFILE):
        return None
    text = export.read(PROFILE).decode("utf-8-sig", "replace")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    cell = rows[1][0].strip() if len(rows) > 1 else ""
    return int(cell) if is_id(cell) else None
