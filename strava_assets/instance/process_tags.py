"""The tags by which a run started from a command line says which process it is; no code server knows it.

A module of its own, since runs import it, and `run_launcher` would bring gRPC with it.
"""

import os
import socket

HOST_TAG, PID_TAG = ".dagster/strava_assets/host", ".dagster/strava_assets/pid"


def process_tags() -> dict[str, str]:
    """The tags by which a run of this very process can be found to be dead."""
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}
