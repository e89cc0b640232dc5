"""`python -m strava_assets.local.dagster_server PORT WORKSPACE`: Dagster's UI, guarded, and daemon in one process."""

import sys
from pathlib import Path

from strava_assets.instance.daemon import daemon_threads
from strava_assets.web.server import serve


def main(port: str, workspace: str) -> None:
    """Serve on 127.0.0.1 until a signal comes."""
    with daemon_threads(Path(workspace)):
        serve(["--host", "127.0.0.1", "--port", port, "--workspace", workspace])


if __name__ == "__main__":
    main(*sys.argv[1:])
