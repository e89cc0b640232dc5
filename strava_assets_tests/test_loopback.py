"""A proxy in the environment, and servers on this machine."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from strava_assets.loopback import LOOPBACK, is_loopback, never_proxy_loopback

DEAD_PROXY = "http://127.0.0.1:9"

CLIENTS = """
import contextlib, os, sys
import obstore
from strava_assets.raw.s3_access import S3Access
from strava_assets.settings import Settings

before = dict(os.environ)
one, other = (
    S3Access(bucket=bucket, endpoint_url=sys.argv[1], access_key_id="a", secret_access_key="b")
    for bucket in ("boto3", "obstore")
)
with contextlib.suppress(Exception):  # what is not found here was asked for, and that is looked at
    one.client().head_bucket(Bucket=one.bucket)
with contextlib.suppress(Exception):
    obstore.head(other.store(), "x")
Settings.from_environment()
assert dict(os.environ) == before
"""

STOCK_CLIENTS = """
import contextlib, sys, urllib.request
import boto3, requests
import strava_assets.instance.event_log

for ask in (
    lambda: urllib.request.urlopen(sys.argv[1] + "/urllib", timeout=5),
    lambda: requests.get(sys.argv[1] + "/requests", timeout=5),
    lambda: boto3.client(
        "s3", endpoint_url=sys.argv[1], aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    ).head_bucket(Bucket="boto3"),
):
    with contextlib.suppress(Exception):
        ask()
"""


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A server on this machine: its port, and the paths that it was asked for."""
    reached: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path.split("/")[1])
            self.send_error(HTTPStatus.NOT_FOUND)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, reached
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("code", "clients"), [(CLIENTS, {"boto3", "obstore"}), (STOCK_CLIENTS, {"urllib", "requests", "boto3"})]
)
def test_no_client_asks_a_proxy_for_a_server_on_this_machine(
    server: tuple[int, list[str]], name: str, code: str, clients: set[str]
) -> None:
    port, reached = server
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    for host in ("127.0.0.1", "localhost"):
        done = subprocess.run(
            [sys.executable, "-c", code, f"http://{host}:{port}"],
            env=environment | {name: DEAD_PROXY, "NO_PROXY": "example.org"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert set(reached) == clients
        reached.clear()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:3000/x", True),
        ("http://strava.localhost", True),
        ("http://127.1.2.3", True),
        ("http://[::1]:9000", True),
        ("https://localhost.example.org", False),
        ("http://192.168.0.1", False),
        ("", False),
    ],
)
def test_a_url_of_this_machine_is_known(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_what_was_excepted_stays_excepted() -> None:
    environment = {"https_proxy": DEAD_PROXY, "NO_PROXY": "10.0.0.1, .example.org", "no_proxy": "localhost"}
    never_proxy_loopback(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert set(environment["NO_PROXY"].split(",")) == {"10.0.0.1", ".example.org", *LOOPBACK}


@pytest.mark.parametrize(
    "environment", [{}, {"NO_PROXY": "example.org"}, {"http_proxy": ""}, {"http_proxy": DEAD_PROXY, "no_proxy": "*"}]
)
def test_an_environment_without_a_proxy_stays_as_it_is(environment: dict[str, str]) -> None:
    before = dict(environment)
    never_proxy_loopback(environment)
    assert environment == before
