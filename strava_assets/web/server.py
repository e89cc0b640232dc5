"""The stock `dagster-webserver` command, with all of its options, and the guard before what it serves."""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from strava_assets.report.web import reports_app
from strava_assets.settings import Settings
from strava_assets.web.guard import Authority, Guard
from strava_assets.web.reports import reports_of


def guarded(
    dagster: Starlette, settings: Settings, *, path_prefix: str = "", pages: Mapping[str, ASGIApp] | None = None
) -> ASGIApp:
    """Dagster's app behind the guard; `pages` are other apps to serve beside it, by their path (`/name`)."""
    for path, app in (pages or {}).items():
        # Before Dagster's own routes, of which the last takes every path.
        dagster.router.routes.insert(0, Mount(path_prefix + path, app))
    hosts = [Authority.of(host) for host in settings.web_hosts]
    return Guard(dagster, hosts=hosts, path_prefix=path_prefix)


def serve(arguments: Sequence[str] | None = None) -> None:
    """Run `dagster-webserver` guarded, with the process's arguments by default, and exit when it ends."""
    settings = Settings.from_environment()

    def create_guarded_app(context: Any, path_prefix: str = "", *args: Any, **options: Any) -> ASGIApp:  # noqa: ANN401
        dagster = create_app_from_workspace_process_context(context, path_prefix, *args, **options)
        pages = {"/reports": reports_app(reports_of(settings))}
        return guarded(dagster, settings, path_prefix=path_prefix, pages=pages)

    # The command looks this name up when it makes its app, so it keeps its options, signals and logs. A release that
    # makes its app in another way must not start unguarded.
    if not hasattr(cli, "create_app_from_workspace_process_context"):
        raise RuntimeError("This release of dagster-webserver makes its app in another way: the guard does not fit.")
    cli.create_app_from_workspace_process_context = create_guarded_app
    cli.cli(arguments, auto_envvar_prefix="DAGSTER_WEBSERVER")
