"""Removes deleted data from what `make up` runs: S3 objects in its volumes' files, names in its processes' logs."""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from strava_assets.errors import ServiceUnavailable
from strava_assets.local.s3_program import s3_program
from strava_assets.local.settings_file import FOLDER

_LOG = "/topics/.system/log"
"""Where SeaweedFS notes every change, with the names of what changed, for other servers that would follow it."""

NOTED_WITHIN = 90.0
"""Seconds. SeaweedFS writes that log from memory once a minute."""

DELETION_DELAY = 3
"""Seconds. SeaweedFS deletes what objects were made of in the background, up to two seconds later."""

TIMEOUT = 300
"""Seconds; a volume of 64 MB takes less than one."""


def compact_embedded_s3(project: Path, endpoint_url: str | None, deleted: str | None = None) -> bool:
    """Compact the S3 server of this project if it answers at `endpoint_url`; any other is somebody else's.

    Returns whether it is this project's. Of `deleted`, a bucket's name and the beginning of keys in it, not even the
    names remain, which takes a minute; nothing is deleted that is there. Raises ServiceUnavailable if it does not.
    """
    port = urlsplit(endpoint_url or "").port
    for file in (project / FOLDER).glob("*/s3/ports.json"):
        ports = json.loads(file.read_text())
        if ports.get("s3.port") == port:
            if deleted:
                _delete_empty(file.parent, ports, f"/buckets/{deleted.rstrip('/')}")
                _wait_until_noted(file.parent, ports)
            vacuum = "volume.vacuum -garbageThreshold 0.0001"
            _shell(file.parent, ports, "lock", f"fs.rm -rf {_LOG}", f"sleep {DELETION_DELAY}", vacuum, "unlock")
            return True
    return False


def empty_logs(project: Path) -> None:
    """Empty the logs of all processes, which name athletes; their writers append, and so go on."""
    for log in [*(project / FOLDER).glob("*/log"), *(project / FOLDER).glob("*/*/log")]:
        os.truncate(log, 0)
        with contextlib.suppress(FileNotFoundError):
            log.with_name("log.1").unlink()


def _delete_empty(folder: Path, ports: Mapping[str, int], path: str) -> None:
    """Delete a folder of the S3 in which nothing is; SeaweedFS would do so minutes later, and note its name again."""
    if " 0 files" in _shell(folder, ports, f'fs.tree "{path}"'):
        _shell(folder, ports, f'fs.rm -rf "{path}"')


def _wait_until_noted(folder: Path, ports: Mapping[str, int]) -> None:
    """Wait until all that happened so far is in the log, so that it can be deleted there."""
    marker = "/noted"
    before = _sizes(_shell(folder, ports, f"fs.mkdir {marker}", f"fs.rm -r {marker}", f"fs.du {_LOG}"))
    deadline = time.monotonic() + NOTED_WITHIN
    while _sizes(_shell(folder, ports, f"fs.du {_LOG}")) == before:
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"The embedded S3 did not write its log within {NOTED_WITHIN:.0f} seconds.")
        time.sleep(2)


def _sizes(output: str) -> list[str]:
    return re.findall(r"logical size: *(\d+)", output)


def _shell(folder: Path, ports: Mapping[str, int], *commands: str) -> str:
    """What SeaweedFS' shell prints. Raises ServiceUnavailable if a command fails."""
    certificate, key = folder / "tls" / "certificate.pem", folder / "tls" / "key.pem"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "WEED_GRPC_CLIENT_CERT": str(certificate),
        "WEED_GRPC_CLIENT_KEY": str(key),
        "WEED_GRPC_CA": str(certificate),
    }
    servers = [
        f"-{name}=127.0.0.1:{ports[f'{name}.port']}.{ports[f'{name}.port.grpc']}" for name in ("master", "filer")
    ]
    try:
        result = subprocess.run(  # noqa: S603 - the wheel's own program
            [s3_program(), "shell", *servers],
            input="\n".join([*commands, "exit", ""]),
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
    return result.stdout
