"""Which of the metadata of runs is personal: what is labelled with an athlete's id, and tables of activities.

Whatever attaches such metadata takes the label from here, so that a purge finds it in what Dagster keeps. The spelling
is that of every version.
"""

PREVIEW = "preview"
"""The label of a table of activities, which does not say whose they are."""

PREVIEWS = frozenset({PREVIEW, "window_preview"})
"""With the one that ranges had in version 0.1.0."""


def athlete_label(name: str, athlete_id: int) -> str:
    """The label of metadata about an athlete."""
    return f"{name}_{athlete_id}"


def is_of_athlete(label: str, athlete_id: int) -> bool:
    """Whether `athlete_label` made the label for this athlete."""
    return label.rpartition("_")[2] == str(athlete_id)
