"""Has what `make up` runs forget what was deleted: S3 objects in its volumes' files, ids in its processes' logs."""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from strava_assets.errors import ServiceUnavailable
from strava_assets.local.s3 import program
from strava_assets.local.settings_file import FOLDER

_COMMANDS = "lock\nvolume.vacuum -garbageThreshold 0.0001\nunlock\nexit\n"

DELETION_DELAY = 3.0
"""Seconds. SeaweedFS deletes what objects were made of in the background, up to two seconds later."""

TIMEOUT = 300
"""Seconds; a volume of 64 MB takes less than one."""


def compact_embedded_s3(project: Path, endpoint_url: str | None) -> None:
    """Compact the S3 server of this project if it answers at `endpoint_url`; any other is somebody else's.

    Raises ServiceUnavailable if it does not do so.
    """
    port = urlsplit(endpoint_url or "").port
    for file in (project / FOLDER).glob("*/s3/ports.json"):
        ports = json.loads(file.read_text())
        if ports.get("s3.port") == port:
            time.sleep(DELETION_DELAY)
            _compact(file.parent, f"127.0.0.1:{ports['master.port']}.{ports['master.port.grpc']}")


def empty_logs(project: Path) -> None:
    """Empty the logs of Dagster's processes, which name athletes; their writers append, and so go on."""
    for log in (project / FOLDER).glob("*/log"):
        os.truncate(log, 0)
        with contextlib.suppress(FileNotFoundError):
            log.with_name("log.1").unlink()


def _compact(folder: Path, master: str) -> None:
    certificate, key = folder / "tls" / "certificate.pem", folder / "tls" / "key.pem"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "WEED_GRPC_CLIENT_CERT": str(certificate),
        "WEED_GRPC_CLIENT_KEY": str(key),
        "WEED_GRPC_CA": str(certificate),
    }
    try:
        result = subprocess.run(  # noqa: S603 - the wheel's own program
            [program(), "shell", f"-master={master}"],
            input=_COMMANDS,
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise ServiceUnavailable(f"The embedded S3 did not compact its volumes within {TIMEOUT} seconds.") from None
    if result.returncode or "error" in result.stdout:
        last_line = ([*result.stdout.splitlines(), *result.stderr.splitlines()] or ["no message"])[-1]
        raise ServiceUnavailable(f"The embedded S3 did not compact its volumes: {last_line[:200]}")
