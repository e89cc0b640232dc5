"""A proxy in the environment, and servers on this machine."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from strava_assets.settings.loopback import LOOPBACK, never_proxy_loopback

DEAD_PROXY = "http://127.0.0.1:9"

CLIENTS = """
import contextlib, sys, urllib.request
import boto3, obstore, requests
from botocore.config import Config
from obstore.store import S3Store
from strava_assets.settings import Settings

Settings.from_environment()
url = sys.argv[1]
boto = boto3.client(
    "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, s3={"addressing_style": "path"}),
)
store = S3Store(
    "obstore", endpoint=url, access_key_id="a", secret_access_key="b", region="us-east-1",
    client_options={"allow_http": True}, retry_config={"max_retries": 0},
)
for ask in (
    lambda: urllib.request.urlopen(url + "/urllib", timeout=5),
    lambda: requests.get(url + "/requests", timeout=5),
    lambda: boto.head_bucket(Bucket="boto3"),
    lambda: obstore.head(store, "x"),
):
    with contextlib.suppress(Exception):  # what is not found here was asked for, and that is looked at
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
def test_no_client_asks_a_proxy_for_a_server_on_this_machine(server: tuple[int, list[str]], name: str) -> None:
    port, reached = server
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    for host in ("127.0.0.1", "localhost"):
        done = subprocess.run(
            [sys.executable, "-c", CLIENTS, f"http://{host}:{port}"],
            env=environment | {name: DEAD_PROXY, "NO_PROXY": "example.org"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert set(reached) == {"urllib", "requests", "boto3", "obstore"}
        reached.clear()


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
