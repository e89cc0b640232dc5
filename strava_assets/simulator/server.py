"""The simulated Strava behind a real HTTP server, in a thread of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from strava_assets.simulator.api import create_app
from strava_assets.simulator.simulation import Simulation


@contextmanager
def serve(simulation: Simulation, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the simulation, on a free port unless one is given; the value is its URL."""
    config = uvicorn.Config(
        create_app(simulation), host=host, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError(f"The simulated Strava did not start on {host}:{port}.")
        time.sleep(0.005)
    try:
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
