"""Looks for secrets in all that the tests write: what the servers hold, what was printed, every file.

Every client secret and token of the simulated Strava, and the S3 servers' internal keys, are noted where they are
made; what a child process made is found in the files where it belongs (`WHERE_SECRETS_BELONG`).
"""

import re
import secrets
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any

import click.testing
from obstore.store import S3Store
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError

WHERE_SECRETS_BELONG = re.compile(
    r"""
    /\.env$ | /\.local/env$             # settings, readable by their owner only
    | /application\.json$ | /state\.json$     # the simulated Strava's own
    | /keys\.json$                      # the S3 server's own
    | \.rdb$ | \.aof$                   # Redis: the one place of tokens
    | /logins/[^/]+\.json$              # a backup's copy of them
    """,
    re.VERBOSE,
)
TOKEN = re.compile(rb"[0-9a-f]{40,}")
"""What the simulated Strava's tokens and client secrets look like; commits and hashes do, too."""

known: set[bytes] = set()
found: dict[str, int] = {}
"""Where secrets were found, and how many."""


def listen() -> None:
    """Note every secret that this process makes from now on, and look through what commands print."""

    def note(made: str) -> None:
        known.update(_words(made.encode()))

    _overhear(secrets, "token_hex", note)
    _overhear(click.testing.CliRunner, "invoke", lambda result: look("a command's output", result.output_bytes))
    _overhear(subprocess.Popen, "communicate", lambda output: look("a process' output", f"{output}"))


def look(where: str, output: str | bytes) -> None:
    """Note if anything known as a secret is in the output."""
    output = output if isinstance(output, bytes) else output.encode(errors="surrogateescape")
    if leaked := _words(output) & known:
        found[where] = len(leaked)


def look_at_servers(whose: str, settings: dict[str, str]) -> None:
    """Look through all rows of both databases and all objects of the bucket that the settings name."""
    for name in ("DATABASE_URL", "DAGSTER_POSTGRES_URL"):
        look(f"{name} of {whose}", "\n".join(_rows(settings[name])))
    store = S3Store(
        settings["S3_BUCKET"],
        config={"aws_endpoint_url_s3": settings["AWS_ENDPOINT_URL_S3"]},  # so named, it counts before os.environ
        access_key_id=settings["AWS_ACCESS_KEY_ID"],
        secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        region=settings["AWS_DEFAULT_REGION"],
        client_options={"allow_http": True},
    )
    keys = [each["path"] for chunk in store.list() for each in chunk]
    with ThreadPoolExecutor(16) as threads:
        for key, each in zip(keys, threads.map(store.get, keys), strict=True):
            look(f"s3://{key} of {whose}", key.encode() + bytes(each.bytes()))


def look_at_files(folder: Path) -> None:
    """Look through every file of the folder, first noting the secrets in the files where they belong."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    for file in files:
        if WHERE_SECRETS_BELONG.search(str(file)):
            known.update(_words(file.read_bytes()))
    for file in files:
        if not WHERE_SECRETS_BELONG.search(str(file)):
            look(str(file.relative_to(folder)), file.read_bytes())


def _words(output: bytes) -> set[bytes]:
    """Everything as long as a token that looks like one, at each place of a longer run."""
    return {run[at : at + 40] for run in TOKEN.findall(output) for at in range(len(run) - 39)}


def _rows(url: str) -> Iterable[str]:
    engine = create_engine(make_url(url))
    try:
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names():
                yield from connection.execute(text(f'SELECT each::text FROM "{table}" AS each')).scalars()
    except OperationalError as error:
        if "does not exist" not in str(error):
            raise
    finally:
        engine.dispose()


def _overhear(owner: Any, name: str, hear: Callable[[Any], object]) -> None:
    spoken = getattr(owner, name)

    @wraps(spoken)
    def speak(*arguments: Any, **options: Any) -> Any:
        output = spoken(*arguments, **options)
        hear(output)
        return output

    setattr(owner, name, speak)
