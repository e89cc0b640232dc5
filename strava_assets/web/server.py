"""Dagster's web server with the guard before it: the stock command with all of its options, or a part of a process."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import uvicorn
from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from strava_assets.bounded_server import BACKLOG, BoundedServer, max_connections
from strava_assets.settings import Settings
from strava_assets.web.guard import Authority, Guard
from strava_assets.web.report_pages import reports_app
from strava_assets.web.report_source import reports_of


def guarded(
    dagster: Starlette, settings: Settings, *, path_prefix: str = "", pages: Mapping[str, ASGIApp] | None = None
) -> ASGIApp:
    """Dagster's app behind the guard; `pages` are other apps to serve beside it, by their path (`/name`)."""
    for path, app in (pages or {}).items():
        # Before Dagster's own routes, of which the last takes every path.
        dagster.router.routes.insert(0, Mount(path_prefix + path, app))
    hosts = [Authority.of(host) for host in settings.web_hosts]
    return Guard(dagster, hosts=hosts, path_prefix=path_prefix)


def _create_guarded_app(context: Any, path_prefix: str = "", *args: Any, **options: Any) -> ASGIApp:  # noqa: ANN401
    settings = Settings.from_environment()
    dagster = create_app_from_workspace_process_context(context, path_prefix, *args, **options)
    pages = {"/reports": reports_app(reports_of(settings))}
    return guarded(dagster, settings, path_prefix=path_prefix, pages=pages)


def serve(arguments: Sequence[str] | None = None) -> None:
    """Run `dagster-webserver` guarded, with the process's arguments by default, and exit when it ends."""
    # The command looks these names up when it makes its app and serves it, so it keeps its options, signals and logs.
    # A release that does it in another way must not start unguarded.
    if not (hasattr(cli, "create_app_from_workspace_process_context") and hasattr(cli, "uvicorn")):
        raise RuntimeError("This release of dagster-webserver makes its app in another way: the guard does not fit.")
    cli.create_app_from_workspace_process_context = _create_guarded_app
    vars(cli)["uvicorn"] = SimpleNamespace(run=_serve_bounded)
    cli.cli(arguments, auto_envvar_prefix="DAGSTER_WEBSERVER")


def serve_workspace(workspace: Any, port: int) -> None:  # noqa: ANN401 - Dagster's WorkspaceProcessContext
    """Serve the UI of a workspace on 127.0.0.1, guarded, until a signal comes, which is raised again then."""
    _serve_bounded(_create_guarded_app(workspace), host="127.0.0.1", port=port, log_level="warning")


class _Server(BoundedServer):
    async def main_loop(self) -> None:
        """Look each second whether to stop, not ten times: that was half of what a server at rest did."""
        while not await self.on_tick(0):
            await asyncio.sleep(1)


def _serve_bounded(app: ASGIApp, **options: Any) -> None:  # noqa: ANN401 - uvicorn.run's
    """What `uvicorn.run` does, with a bound on connections: too many would take the files that the daemon needs."""
    config = uvicorn.Config(app, **options)
    listening = config.bind_socket()
    listening.listen(BACKLOG)
    _Server(config, connections=max_connections() // 2, waits_for_answers=True).run([listening])
