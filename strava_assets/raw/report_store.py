"""Training reports in the bucket: `{prefix}/{athlete_id}/report.html`, where a purge of the athlete finds them."""

import obstore

from strava_assets.raw.bucket import Bucket
from strava_assets.raw.keys import report_key


class ReportStore(Bucket):
    """Reads and writes training reports, in the bucket of the raw objects."""

    def write_report(self, athlete_id: int, page: str) -> None:
        """Put the report in the place of the one before."""
        with self._clear_errors():
            obstore.put(self._store, report_key(self._prefix, athlete_id), page.encode())

    def read_report(self, athlete_id: int) -> bytes | None:
        """The report; None where none was made yet."""
        with self._clear_errors():
            try:
                return bytes(obstore.get(self._store, report_key(self._prefix, athlete_id)).bytes())
            except FileNotFoundError:
                return None

    def has_report(self, athlete_id: int) -> bool:
        """Whether one was made."""
        with self._clear_errors():
            try:
                obstore.head(self._store, report_key(self._prefix, athlete_id))
            except FileNotFoundError:
                return False
        return True
