"""Serves reports: each athlete's behind a link that cannot be guessed, and a list of them to whoever sees Dagster.

`/` and `/athlete/42` are as open as Dagster's own pages, which show everybody's data anyway: put the login that is
before those before these. `/of/<word>` may be let through to athletes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from strava_assets.errors import StravaAssetsError

_HEADERS = {
    # The page carries all that it needs; its charting library compiles expressions, hence unsafe-eval.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True)
class Reports:
    """Where reports and links come from; each call may block."""

    read: Callable[[int], bytes | None]
    """An athlete's report."""
    athlete_of: Callable[[str], int | None]
    """Whose link a word is."""
    word_of: Callable[[int], str]
    """The word of an athlete's link."""
    athletes: Callable[[], list[int]]
    """Who has activities."""


def reports_app(reports: Reports) -> Starlette:
    """The pages, to be mounted somewhere, `/reports` say."""

    async def by_word(request: Request) -> Response:
        athlete_id = await run_in_threadpool(reports.athlete_of, request.path_params["word"])
        return await _report(athlete_id)

    async def by_athlete(request: Request) -> Response:
        return await _report(request.path_params["athlete_id"])

    async def overview(request: Request) -> Response:
        rows = await run_in_threadpool(lambda: [(each, reports.word_of(each)) for each in reports.athletes()])
        root = escape(request.scope.get("root_path", ""))
        listed = "".join(
            f'<li><a href="{root}/athlete/{athlete_id}">Athlete {athlete_id}</a>; '
            f'the link for them: <a href="{root}/of/{word}">{root}/of/{word}</a></li>'
            for athlete_id, word in rows
        )
        return _page(f"<h1>Training reports</h1><ul>{listed}</ul>" if rows else "<h1>There is no activity yet</h1>")

    async def _report(athlete_id: int | None) -> Response:
        if athlete_id is None:
            return _page("<h1>There is no such report</h1>", 404)
        found = await run_in_threadpool(reports.read, athlete_id)
        if found is None:
            message = (
                "It is made soon after the first activities; in Dagster, materialise <code>training_report</code>."
            )
            return _page(f"<h1>The report is not made yet</h1><p>{message}</p>", 404)
        return HTMLResponse(found, headers=_HEADERS)

    async def unavailable(_request: Request, error: Exception) -> Response:
        return _page(f"<h1>{escape(str(error))}</h1>", 503)

    return Starlette(
        exception_handlers={StravaAssetsError: unavailable},
        routes=[
            Route("/", overview),
            Route("/athlete/{athlete_id:int}", by_athlete),
            Route("/of/{word}", by_word),
        ],
    )


def _page(body: str, status: int = 200) -> Response:
    head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Training reports</title>'
    return HTMLResponse(f"{head}<body>{body}</body></html>", status, headers=_HEADERS)
