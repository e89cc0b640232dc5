"""Postgres's own pg_dump and pg_restore, with a password only in their environment."""

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import URL

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.postgres_programs import embedded_programs


def dump(url: URL, file: Path) -> None:
    """Write the whole database to `file`, in pg_dump's custom format, without owners and grants."""
    _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-acl", f"--file={file}"])


def restore(url: URL, file: Path) -> None:
    """Read a dump into an empty database, wholly or not at all."""
    _run("pg_restore", url, ["--no-owner", "--no-acl", "--single-transaction", "--exit-on-error", str(file)])


def _run(tool: str, url: URL, options: list[str]) -> None:
    """Run a tool on the database. Raises ConfigurationError if it is missing, ServiceUnavailable if it fails."""
    target = url.set(drivername="postgresql", password="").render_as_string().replace(":***@", "@")
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    done = subprocess.run(  # noqa: S603 - Postgres's own tool
        [_find(tool), f"--dbname={target}", *options], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServiceUnavailable(f"{tool} of the database {url.database!r} failed: {reason}")


def _find(tool: str) -> str:
    """The wheel's tool, which is as new as any server; else the one on the PATH."""
    try:
        return str(embedded_programs() / tool)
    except ConfigurationError:
        if found := shutil.which(tool):
            return found
    raise ConfigurationError(
        f"{tool} is not installed. Install Postgres's client programs, at least as new as the server."
    )
