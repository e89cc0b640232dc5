"""Postgres's own programs for a database URL: whichever fits the server, with secrets in their environment only."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, cast

from psycopg2.extensions import make_dsn
from sqlalchemy import URL

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.postgres_programs import embedded_programs
from strava_assets.settings.values import connection_info

_NEWER_THAN_SERVER = b"SET transaction_timeout = 0;\n"
"""What programs of Postgres 17 and later write into every script, and older servers refuse."""

_LINES_OF_SETTINGS = 40
"""Of a script; what comes later may be a row's text."""


def libpq_target(url: URL) -> tuple[str, dict[str, str]]:
    """What libpq's programs take for a URL: a connection string without secrets, and the environment with them."""
    words = connection_info(url)
    password = words.pop("password", None)
    if "sslpassword" in words:
        raise ConfigurationError(
            "A database URL with sslpassword cannot be given to Postgres's programs without showing it to every user "
            "of this machine. Use a key without a passphrase here."
        )
    return make_dsn(**words), {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}


def folders_of_programs(*needed: str) -> Iterator[Path]:
    """Where all of these programs are: those on the PATH first, then those of the wheel, which have no TLS."""
    if found := shutil.which(needed[0]):
        folder = Path(found).parent
        if all((folder / name).exists() for name in needed):
            yield folder
    try:
        embedded = embedded_programs()
    except ConfigurationError:
        return
    if all((embedded / name).exists() for name in needed):
        yield embedded


def dump(url: URL, file: Path) -> None:
    """Write the whole database to `file`, in pg_dump's custom format, without owners and grants."""
    target, environment = libpq_target(url)

    def attempt(folder: Path) -> str | None:
        command: list[str | Path] = [
            folder / "pg_dump",
            f"--dbname={target}",
            "--format=custom",
            "--no-owner",
            "--no-acl",
            "--file",
            file,
        ]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603 - found by us
        return None if done.returncode == 0 else _reason(done.stderr)

    _first_that_fits(("pg_dump",), f"Dumping the database {url.database!r}", attempt)


def restore(url: URL, file: Path, tables: Iterable[str] = ()) -> None:
    """Put a dump into a database in the place of `tables`, wholly or not at all.

    In one transaction, so that whoever else reads the database waits, and sees either the old or the new tables.
    """
    target, environment = libpq_target(url)
    dropped = "".join(f'DROP TABLE IF EXISTS "{name}" CASCADE;\n' for name in tables)

    def attempt(folder: Path) -> str | None:
        writer: list[str | Path] = [
            folder / "pg_restore",
            "--no-owner",
            "--no-acl",
            "--clean",
            "--if-exists",
            "--file=-",
            file,
        ]
        reader: list[str | Path] = [
            folder / "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            target,
        ]
        with (
            subprocess.Popen(writer, stdout=PIPE, stderr=PIPE) as written,  # noqa: S603 - found by us
            subprocess.Popen(reader, env=environment, stdin=PIPE, stdout=DEVNULL, stderr=PIPE) as read,  # noqa: S603
        ):
            script, statements = cast("IO[bytes]", written.stdout), cast("IO[bytes]", read.stdin)
            with suppress(BrokenPipeError):  # its reader has said why
                statements.write(f"SET client_min_messages = warning;\n{dropped}".encode())
                for line in islice(script, _LINES_OF_SETTINGS):
                    statements.write(b"" if line == _NEWER_THAN_SERVER else line)
                shutil.copyfileobj(script, statements, 1024 * 1024)
                if written.wait():
                    read.kill()  # at the end of its input it would commit what it has
                statements.close()
            script.close()
            reasons = [_reason(cast("IO[bytes]", each.stderr).read()) for each in (written, read)]
        return next((reason for each, reason in zip((written, read), reasons, strict=True) if each.returncode), None)

    _first_that_fits(("pg_restore", "psql"), f"Restoring the database {url.database!r}", attempt)


def _first_that_fits(programs: tuple[str, ...], doing: str, attempt: Callable[[Path], str | None]) -> None:
    """Let programs of one folder after the other try: an older one refuses a newer server, the wheel's know no TLS.

    Raises ConfigurationError where there are none, ServiceUnavailable with each one's reason where none succeeds.
    """
    reasons: dict[str, None] = {}
    for folder in folders_of_programs(*programs):
        reason = attempt(folder)
        if reason is None:
            return
        reasons[reason] = None
    if not reasons:
        raise ConfigurationError(
            f"{' and '.join(programs)} are not installed. Install Postgres's client programs, at least as new as the "
            "server."
        )
    raise ServiceUnavailable(f"{doing} failed: {'; '.join(reasons)}")


def _reason(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    # Of psql's lines the error is the first, of pg_dump's the last.
    return next(
        (line for line in lines if "ERROR" in line or "FATAL" in line), lines[-1] if lines else "no reason given"
    )
