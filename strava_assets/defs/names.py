"""What one platform calls its assets, jobs, sensors and resources: two in a code location must not collide."""

from dataclasses import dataclass

import dagster as dg

OWNERS = ["team:athletes"]
"""Of every asset."""


@dataclass(frozen=True)
class Names:
    """The prefix of asset keys, the assets' group, and the prefix of every other name."""

    key_prefix: tuple[str, ...] = ()
    group: str = "strava"
    prefix: str = ""

    def of(self, name: str) -> str:
        """The name of a job, op, schedule, sensor or resource."""
        return f"{self.prefix}{name}"

    @property
    def raw_activities(self) -> dg.AssetKey:
        """The asset of the raw objects."""
        return dg.AssetKey([*self.key_prefix, "raw_activities"])

    @property
    def raw_archive(self) -> dg.AssetKey:
        """The asset of the files of bulk exports."""
        return dg.AssetKey([*self.key_prefix, "raw_archive"])

    @property
    def strava_archive(self) -> dg.AssetKey:
        """The asset of the table of bulk exports."""
        return dg.AssetKey([*self.key_prefix, "strava_archive"])

    @property
    def strava_activity(self) -> dg.AssetKey:
        """The asset of the table."""
        return dg.AssetKey([*self.key_prefix, "strava_activity"])

    @property
    def training_report(self) -> dg.AssetKey:
        """The asset of the reports."""
        return dg.AssetKey([*self.key_prefix, "training_report"])

    def view(self, name: str) -> dg.AssetKey:
        """The asset of a view of `strava_analytics`."""
        return dg.AssetKey([*self.key_prefix, "strava_analytics", name])
