"""What a raw object says of its hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from strava_assets.raw.activity import RawActivity


@dataclass(frozen=True)
class HourSnapshot:
    """What a raw object says: these, and no others, are the athlete's activities of that hour."""

    hour: datetime
    fetched_at: datetime
    etag: str | None
    """Which version of the object it is."""
    activities: Sequence[RawActivity]
