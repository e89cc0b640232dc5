"""`python -m strava_assets.local.dagster_server PORT SOCKET`: all of Dagster in one process, its UI guarded.

Each run is a process that imports this module once more, so what is imported here is imported late.
"""

import signal
import sys


def main(port: str, socket: str) -> None:
    """Serve on 127.0.0.1 until a signal comes, then wait for the runs under way."""
    from pathlib import Path  # noqa: PLC0415 - see above

    from dagster_webserver.version import __version__  # noqa: PLC0415

    from strava_assets.instance.one_process import dagster_in_one_process  # noqa: PLC0415
    from strava_assets.local.dagster_processes import LOCATION  # noqa: PLC0415
    from strava_assets.web.server import serve_workspace  # noqa: PLC0415

    # As Ctrl-C, so that everything is left in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with dagster_in_one_process(Path(socket), "strava_assets.definitions", LOCATION, __version__) as workspace:
        serve_workspace(workspace, int(port))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)
