"""An embedded Redis, on a Unix socket: Valkey, which speaks the same protocol, or a Redis of the machine."""

import contextlib
import os
from pathlib import Path

import redis

from strava_assets.errors import ServiceUnavailable
from strava_assets.local.account import Account
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.redis_programs import redis_programs
from strava_assets.local.server_process import ServerProcess
from strava_assets.local.socket_folder import SocketFolder

_SOCKET_NAME = "redis.sock"


class Redis(EmbeddedServer):
    """A Redis server with its data in one folder.

    It opens no TCP port; its socket lies in a folder that only its owner can enter. Every write reaches
    the disk before it is answered, since a lost refresh token means a new login.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable=False` keeps everything in memory: for tests."""
        self._durable = durable
        folder = folder.absolute()
        super().__init__(folder, ServerProcess("Redis", folder))
        self._sockets: SocketFolder | None = None

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        return f"unix://{self._socket}?db=0"

    @property
    def settings(self) -> dict[str, str]:
        """REDIS_URL."""
        return {"REDIS_URL": self.url}

    def _run(self) -> None:
        account = Account("Redis", instead="REDIS_URL")
        self._sockets = SocketFolder(self.folder / "run", _SOCKET_NAME)
        self.process.leftovers = self._sockets.leftovers
        account.give(self._sockets.path)
        data = self.folder / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        account.give(data)
        first, *others = redis_programs()
        try:
            self._start(first, data, account)
        except ServiceUnavailable as error:
            # Valkey does not read what a Redis newer than 7.2 wrote, nor that one what Valkey wrote.
            for program in others:
                with contextlib.suppress(ServiceUnavailable):
                    self._start(program, data, account)
                    return
            raise error from None

    def _start(self, program: Path, data: Path, account: Account) -> None:
        self.process.start(
            [
                *account.command_prefix,
                *(program, "--port", "0", "--unixsocket", self._socket, "--unixsocketperm", "700"),
                *("--dir", data, "--daemonize", "no", "--save", "", "--databases", "16"),
                *("--appendonly", "yes" if self._durable else "no", "--appendfsync", "always"),
            ],
            environment={"PATH": os.environ.get("PATH", os.defpath)},
            is_ready=self._answers,
        )

    @property
    def _socket(self) -> Path:
        if self._sockets is None:
            raise RuntimeError("Redis is not running")
        return self._sockets.path / _SOCKET_NAME

    def _answers(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self._socket)) as client:
                return bool(client.ping())
        except redis.RedisError:
            # Not listening yet, or still loading its data.
            return False
