"""The same activities by strava-offline, which keeps them as JSON in SQLite: without raw objects, partitions or runs.

It is measured where STRAVA_OFFLINE_PYTHON names a Python that has it (pip install strava-offline==1.1.1, in a virtual
environment of its own). Strava's address is built into it, so its requests are turned to the simulated Strava
on their way. Some of the simulated ids have more digits than SQLite can hold, and it would stop at the first: it is
given those as floats.
"""

import json
import os
import urllib.request
from pathlib import Path

from benchmarks.stack import Stack

PYTHON = os.environ.get("STRAVA_OFFLINE_PYTHON")
SYNC = """
import json, sys, runpy
from requests import Response
from requests.adapters import HTTPAdapter
strava, folder = sys.argv[1:]
send = HTTPAdapter.send
def turned(self, request, *args, **options):
    request.url = request.url.replace("https://www.strava.com", strava)
    return send(self, request, *args, **options)
HTTPAdapter.send = turned
def exact(said):
    return int(said) if len(said) < 19 else float(said)
Response.json = lambda self: json.loads(self.text, parse_int=exact)
HTTPAdapter.get_connection_with_tls_context = (
    lambda self, request, verify, proxies=None, cert=None: self.poolmanager.connection_from_url(request.url)
)
sys.argv = ["strava-offline", "sqlite"]
sys.argv += ["--database", f"{folder}/offline.sqlite", "--token-file", f"{folder}/token.json"]
runpy.run_module("strava_offline", run_name="__main__")
"""


def seconds(stack: Stack) -> float | None:
    """How long its first synchronisation takes; None where it is not installed."""
    if not PYTHON:
        return None
    strava = stack.environment["STRAVA_BASE_URL"]
    with urllib.request.urlopen(urllib.request.Request(f"{strava}/_simulator/grant", data=b"{}"), timeout=60) as answer:
        token = json.load(answer)
    Path(stack.folder, "token.json").write_text(json.dumps(token))
    return stack.run("-c", SYNC, strava, str(stack.folder), python=PYTHON).seconds
