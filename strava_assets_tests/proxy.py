"""A way to a real server that a test can cut and mend again: the server is away, and comes back."""

import contextlib
import functools
import pkgutil
import socket
import threading
import time
from typing import Any, Self

import pytest

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class Proxy:
    """Passes bytes between a free loopback port and the server at `target`."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self.refused = 0
        """Connections that were tried while it was cut."""
        self._passes = threading.Event()
        self._passes.set()
        self.delay = 0.0
        """Seconds that all bytes are on the way, in each direction."""
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def cut(self) -> None:
        """End every connection, and every new one at once."""
        with self._lock:
            self._is_cut = True
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Pass nothing on, and say nothing of it."""
        self._passes.clear()

    def mend(self) -> None:
        """Let new connections through, and what hangs."""
        self._passes.set()
        with self._lock:
            self._is_cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._passes.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # the proxy ends
            with self._lock:
                if self._is_cut:
                    self.refused += 1
                    client.close()
                    continue
                server = self._connect()
                self._sockets |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay)
                self._passes.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            self._sockets.discard(source)
        source.close()


def cut_after(patched: pytest.MonkeyPatch, name: str, way: Proxy) -> None:
    """Have the way cut each time that the function has done its work."""
    owner, _, attribute = name.rpartition(".")
    function: Any = pkgutil.resolve_name(name)

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        way.cut()
        return result

    patched.setattr(pkgutil.resolve_name(owner), attribute, wrapper)
