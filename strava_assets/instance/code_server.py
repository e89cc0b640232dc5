"""A code server in this process: what `dagster api grpc` is in one of its own, with 100 MB more."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._grpc.server import DagsterApiServer, DagsterGrpcServer


@contextmanager
def code_server(socket: Path, module: str, location: str) -> Iterator[None]:
    """Serve the definitions of `module` meanwhile, on a socket; then wait for the runs that were started here.

    Runs are processes of their own. Raises what loading the definitions raises.
    """
    logger = logging.getLogger("dagster.code_server")
    threads = FuturesAwareThreadPoolExecutor()
    termination = threading.Event()
    definitions = DagsterApiServer(
        termination,
        logger,
        threads,
        LoadableTargetOrigin(executable_path=sys.executable, working_directory=str(Path.cwd()), module_name=module),
        location_name=location,
    )
    # Not `serve`, which looks ten times a second whether it shall end.
    server = DagsterGrpcServer(termination, definitions, logger, threads, socket=str(socket)).server
    server.start()
    try:
        yield
    finally:
        definitions.cleanup()
        server.stop(grace=None)
