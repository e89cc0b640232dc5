"""Answers that never arrive whole: the TCP connection is reset, or ends in the middle of the body."""

import asyncio
import os
import socket
import struct
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CLOSING = 0.05
"""Seconds that uvicorn gets to notice a closed connection; else it complains of an unfinished answer."""


class Lost(Response):
    """Resets the connection instead of answering."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        """Answer as an ASGI app."""
        connection = _transport(receive)
        # Closed without lingering, the kernel sends a reset. uvloop's socket has no setsockopt, its duplicate has.
        with socket.socket(fileno=os.dup(connection.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()
        await asyncio.sleep(CLOSING)


class Truncated(Response):
    """Promises the length of another answer's body, sends half of it and closes the connection."""

    def __init__(self, whole: Response) -> None:
        super().__init__(status_code=whole.status_code)
        self.raw_headers = whole.raw_headers
        self.half = bytes(whole.body)[: len(whole.body) // 2]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI app."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.half, "more_body": True})
        _transport(receive).close()
        await asyncio.sleep(CLOSING)


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection, which uvicorn's request cycle knows; `receive` is one of its methods."""
    return cast("asyncio.Transport", receive.__self__.transport)  # type: ignore[attr-defined]
