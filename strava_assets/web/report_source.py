"""Where the web server finds reports: the bucket, and the links in Redis. Opened when the first page is asked for."""

from functools import cache
from typing import TYPE_CHECKING

from strava_assets.settings import Settings
from strava_assets.web.report_pages import Reports

if TYPE_CHECKING:
    from strava_assets.raw.report_store import ReportStore
    from strava_assets.state.report_links import ReportLinks


def reports_of(settings: Settings) -> Reports:
    """Reports and links as these settings name them. What they need is imported late: it costs memory at rest."""

    @cache
    def store() -> "ReportStore":
        from strava_assets.services import open_report_store  # noqa: PLC0415 - see above

        return open_report_store(settings)

    @cache
    def links() -> "ReportLinks":
        from strava_assets.services import open_redis  # noqa: PLC0415
        from strava_assets.state.report_links import ReportLinks  # noqa: PLC0415

        return ReportLinks(open_redis(settings))

    return Reports(
        read=lambda athlete_id: store().read_report(athlete_id),
        athlete_of=lambda word: links().athlete(word),
        word_of=lambda athlete_id: links().word(athlete_id),
        athletes=lambda: [each for each in store().athletes() if store().has_report(each)],
    )
