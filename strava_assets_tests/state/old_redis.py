"""A Redis 6.0: a proxy in front of the real server that answers newer commands and forms as 6.0 does.

Redis 6.0 is what Debian 11 and Ubuntu 22.04 bring. What it does not know goes on as a command that no server knows, so
that the refusal comes from the server, in its turn and in transactions too.
"""

import re
import socket
import threading
from contextlib import suppress
from typing import BinaryIO, Self

NEWER_COMMANDS = frozenset(
    re.findall(
        r"\w+",
        """
        BLMOVE BLMPOP BZMPOP COPY EVALSHA_RO EVAL_RO EXPIRETIME FAILOVER FCALL FCALL_RO FUNCTION GEOSEARCH
        GEOSEARCHSTORE GETDEL GETEX HEXPIRE HGETDEL HGETEX HPERSIST HPEXPIRE HRANDFIELD HSETEX HTTL LCS LMOVE LMPOP
        PEXPIRETIME RESET SINTERCARD SMISMEMBER SPUBLISH SSUBSCRIBE XAUTOCLAIM XDELEX ZDIFF ZDIFFSTORE ZINTER
        ZINTERCARD ZMPOP ZMSCORE ZRANDMEMBER ZRANGESTORE ZUNION
        """,
    )
)

NEWER_FORMS = {
    "SET": {"GET", "EXAT", "PXAT", "IFEQ"},
    "EXPIRE": {"NX", "XX", "GT", "LT"},
    "PEXPIRE": {"NX", "XX", "GT", "LT"},
    "ZADD": {"GT", "LT"},
    "ZRANGE": {"BYSCORE", "BYLEX", "REV", "LIMIT"},
    "XADD": {"NOMKSTREAM", "MINID"},
    "XTRIM": {"MINID"},
    "XPENDING": {"IDLE"},
    "CLIENT": {"SETINFO", "NO-EVICT", "NO-TOUCH", "MAINT_NOTIFICATIONS"},
}


def is_newer(command: list[bytes]) -> bool:
    """Whether Redis 6.0 does not know the command, or an option of it."""
    name = command[0].decode().upper()
    if name in {"EVAL", "SCRIPT"}:
        script = max(command, key=len).decode()
        calls = re.findall(r"""redis\.p?call\(\s*['"](\w+)['"]([^)]*)""", script)
        return any(is_newer([call.encode(), *re.findall(rb"\w+", rest.encode())]) for call, rest in calls)
    options = {word.decode(errors="replace").upper() for word in command[1:]}
    is_popping_several = name in {"LPOP", "RPOP"} and len(command) > 2
    return name in NEWER_COMMANDS or bool(options & NEWER_FORMS.get(name, set())) or is_popping_several


class OldRedis:
    """A context manager between a free loopback port and the Unix socket at `path`; `refused` names what it refused."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self.refused: list[str] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=_answers, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, client.makefile("rb") as received, suppress(OSError):
            while command := _command(received):
                if is_newer(command):
                    self.refused.append(b" ".join(command[:2]).decode(errors="replace"))
                    command = [b"UNKNOWN_TO_REDIS_6.0"]
                server.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in command))


def _command(received: BinaryIO) -> list[bytes]:
    line = received.readline()
    words = []
    for _ in range(int(line[1:]) if line else 0):
        words.append(received.read(int(received.readline()[1:])))
        received.readline()
    return words


def _answers(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(65536):
            client.sendall(data)
