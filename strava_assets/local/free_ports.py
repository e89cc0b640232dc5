"""Ports of the loopback interface that nothing uses."""

import secrets
import socket
from collections.abc import Iterable

_OF_SERVERS = range(20_000, 32_768)
"""No system gives these to clients that connect: Linux begins at 32768, macOS and RFC 6335 at 49152."""


def free_ports(count: int, preferred: Iterable[int] = ()) -> list[int]:
    """`count` different free TCP ports of 127.0.0.1: those of `preferred` that are free, then others.

    All are held at once while they are chosen, so that they differ. Another server that starts just now can still
    take one first; the later one then does not start and its log says so.
    """
    wanted = list(preferred)[:count]
    sockets: list[socket.socket] = []
    try:
        # Kept one by one, not built as a list: those bound before a failure must be closed.
        sockets.extend(_bound(port) or _any_port() for port in wanted)
        sockets.extend(_any_port() for _ in range(count - len(wanted)))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    if bound := _bound(port):
        bound.close()
    return bound is not None


def _bound(port: int) -> socket.socket | None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As servers do it, so that connections that have just been closed do not make the port look used.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(1)
    except OSError:
        bound.close()
        return None
    return bound


def _any_port() -> socket.socket:
    tried = (_bound(secrets.choice(_OF_SERVERS)) for _ in range(100))
    bound = next(filter(None, tried), None) or _bound(0)
    if bound is None:
        raise OSError("127.0.0.1 has no free port")
    return bound
