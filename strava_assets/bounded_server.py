"""The web server of receiver and UI: uvicorn, with a bound on connections and on how long each may live.

uvicorn accepts whatever comes and waits for ever for a first request, so that some thousand idle connections use up
the process's files. Here no more are accepted than there is room for; the others wait in the kernel's queue.
WebSockets live as long as they like.
"""

import asyncio
import resource
import socket
import sys
import time
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

BACKLOG = 2048
"""Connections that may wait to be accepted: a burst of events comes on as many connections."""

MAX_CONNECTIONS = 4096

OTHER_FILES = 64
"""Files that the process needs besides: Redis, the loop, modules."""

IDLE = 0.2
"""Seconds after which connections without a request are closed where others wait."""

LIFETIME = 30.0
"""Seconds after which a connection is closed, once the request that it may be in is answered."""

GRACE = 5.0
"""Seconds more for one whose client does not send its request, or does not take its answer."""


def max_connections() -> int:
    """How many connections are served at once, within `ulimit -n`."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, files - OTHER_FILES))


class BoundedServer(uvicorn.Server):
    """Serves an app; where connections are too many, those without a request under way are closed."""

    def __init__(
        self, config: uvicorn.Config, *, connections: int | None = None, waits_for_answers: bool = False
    ) -> None:
        """`connections` is how many it takes, at most and by default `max_connections()`.

        Unless it `waits_for_answers`, a connection is closed whose answer is not through when its time is over.
        """
        # It bounds a request's header, 64 kB; that of the other one may grow for as long as the connection lives.
        config.http = "h11"
        super().__init__(config)
        self._limit = connections or max_connections()
        self._waits_for_answers = waits_for_answers
        self._opened: dict[Any, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, which uvicorn leaves to asyncio."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        for listening in sockets or []:
            listening.settimeout(0)
            self._tasks.append(asyncio.create_task(self._accept(listening)))
        self._tasks.append(asyncio.create_task(self._close_old()))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and end as uvicorn does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for protocol in self._open():
            asyncio.get_running_loop().call_later(GRACE, protocol.transport.abort)
        await super().shutdown(sockets)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._make_room()
            try:
                accepted, _ = await loop.sock_accept(listening)
                # Half a connection, as at a cancellation, would never end.
                _, protocol = await asyncio.shield(loop.connect_accepted_socket(self._protocol, accepted))
            except OSError:
                # The client is gone again, or the machine is out of files.
                await asyncio.sleep(0.05)
                continue
            self._opened[protocol] = time.monotonic()

    async def _make_room(self) -> None:
        while len(self.server_state.connections) >= self._limit:
            for protocol, opened_at in self._open().items():
                if time.monotonic() - opened_at > IDLE:
                    # At once, or after the answer where a request is under way.
                    protocol.shutdown()
            await asyncio.sleep(0.01)

    async def _close_old(self) -> None:
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for protocol, opened_at in self._open().items():
                if now - opened_at > LIFETIME:
                    protocol.shutdown()
                if now - opened_at > LIFETIME + GRACE and not (self._waits_for_answers and _is_answered(protocol)):
                    protocol.transport.abort()

    def _open(self) -> dict[Any, float]:
        """The connections that are open, the oldest first, each with the moment since when."""
        connections = self.server_state.connections
        self._opened = {each: opened_at for each, opened_at in self._opened.items() if each in connections}
        return self._opened

    def _protocol(self) -> Any:  # noqa: ANN401 - uvicorn has several, without a common type
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _is_answered(protocol: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a request has come whole, and its answer is being made or sent."""
    cycle = protocol.cycle
    return cycle is not None and not cycle.more_body and not cycle.response_complete
