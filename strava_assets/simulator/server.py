"""The simulated Strava behind a real HTTP server, in a thread of this process."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from strava_assets.simulator.api import create_app
from strava_assets.simulator.simulation import Simulation


class _Server(uvicorn.Server):
    """Stops when told to; uvicorn looks only every tenth of a second, which a thousand tests would add up."""

    def stop(self) -> None:
        """Stop the server, from another thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Wait to be stopped; a tick a second keeps the answers' Date right."""
        while not self._stopping.is_set():
            await self.on_tick(0)
            try:
                await asyncio.wait_for(self._stopping.wait(), 1)
            except TimeoutError:
                continue


@contextmanager
def serve(simulation: Simulation, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the simulation, on a free port unless one is given; the value is its URL. OSError: the port is taken."""
    config = uvicorn.Config(create_app(simulation), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = _Server(config)
    with socket.create_server((host, port)) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError(f"The simulated Strava did not start at {address}.")
            time.sleep(0.002)
        try:
            yield address
        finally:
            server.stop()
            thread.join()
