"""The guarded web server as a process: the stock command, attacked over HTTP and WebSocket."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from strava_assets.local.free_ports import free_ports
from strava_assets.settings import Settings
from strava_assets.web.guard import _NO_PAGES
from strava_assets.web.server import guarded

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("web")]

PIPELINES = json.dumps({"query": "{ version }"})
MUTATION = 'mutation { addDynamicPartition(partitionsDefName: "x", partitionKey: "y") { __typename } }'
FILES = 256
"""What the server may open: fewer than a system allows by default."""

LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A guarded server's port; a proxy serves it as dagster.example.org."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (number,) = free_ports(1)
    environment = os.environ | {"DAGSTER_HOME": str(home), "STRAVA_WEB_HOSTS": "dagster.example.org"}
    command = [sys.executable, "-m", "strava_assets.web", "--empty-workspace", "--port", str(number)]
    server = subprocess.Popen(
        ["sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", *command],
        env=environment,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while not answers(number):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield number
    finally:
        server.terminate()
        server.wait(300)


IDLE_CLIENTS = {
    "no request": b"",
    "half a request": b"GET /server_info HTTP/1.1\r\nHost: localhost",
    "half a body": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    "a request": b"GET /server_info HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("sent", IDLE_CLIENTS.values(), ids=IDLE_CLIENTS)
def test_more_idle_connections_than_it_may_have_files_do_not_shut_it(port: int, sent: bytes):
    with ExitStack() as stack:
        for _ in range(FILES + 50):
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(sent)
        began = time.monotonic()
        assert ask(port, "GET", "/server_info")[0] == 200
        assert ask(port, "POST", "/graphql", PIPELINES)[0] == 200
        assert time.monotonic() - began < 20


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/server_info")[0] == 200
    except OSError:
        return False


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    """Status and body of an answer; a header's name is written with `_`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": "application/json"} | named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_ui_its_api_and_programs_work(port: int):
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert ask(port, "GET", "/runs")[0] == 200
    assert ask(port, "POST", "/graphql", PIPELINES, **own)[0] == 200
    assert ask(port, "POST", "/graphql", PIPELINES)[0] == 200
    assert ask(port, "GET", f"/graphql?query={quote('{version}')}")[0] == 200
    assert "graphiql" in ask(port, "GET", "/graphql", Accept="text/html")[1]
    assert (
        ask(port, "POST", "/graphql", PIPELINES, Host="dagster.example.org", Origin="https://dagster.example.org")[0]
        == 200
    )


def test_a_foreign_host_reads_nothing(port: int):
    for method, path in (
        ("GET", "/"),
        ("GET", "/server_info"),
        ("POST", "/graphql"),
        ("GET", f"/graphql?query={quote('{version}')}"),
    ):
        status, body = ask(port, method, path, PIPELINES if method == "POST" else None, Host=f"evil.example:{port}")
        assert status == 403
        assert body.startswith("error: ")
        assert "evil" not in body


def test_a_foreign_page_changes_nothing(port: int):
    mutation = f"/graphql?query={quote(MUTATION)}"
    assert ask(port, "GET", mutation)[0] == 405
    assert ask(port, "GET", mutation, **LINK)[0] == 403
    assert ask(port, "POST", "/report_asset_materialization/a", Origin="https://evil.example")[0] == 403
    assert ask(port, "POST", "/graphql", json.dumps({"query": MUTATION}), Origin="null")[0] == 403
    assert ask(port, "OPTIONS", "/graphql", Origin="https://evil.example")[0] == 403


def test_a_link_from_elsewhere_opens_the_ui_but_no_frame(port: int):
    assert ask(port, "GET", "/assets/strava_activity", **LINK)[0] == 200
    assert ask(port, "GET", "/assets/strava_activity", **LINK | {"Sec-Fetch-Dest": "iframe"})[0] == 403


def test_a_websocket_is_opened_by_our_pages_and_by_programs_only(port: int):
    url = f"ws://127.0.0.1:{port}/graphql"
    for origin in (None, Origin(f"http://127.0.0.1:{port}"), Origin("https://dagster.example.org")):
        with connect(url, origin=origin, subprotocols=[Subprotocol("graphql-ws")]) as socket:
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(30)) == {"type": "connection_ack"}
    for origin, site in ((Origin("https://evil.example"), "none"), (None, "same-site")):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, origin=origin, additional_headers={"Sec-Fetch-Site": site})
        assert refused.value.response.status_code == 403


def test_every_path_of_dagsters_server_that_is_no_page_and_no_file_of_its_is_known_to_the_guard():
    routes = object.__new__(_WithoutFiles).build_routes()  # type: ignore[no-untyped-call] # Dagster's own
    pages = {"/", "/{path:path}"}
    unknown = [route.path for route in routes if route.path not in pages and not _NO_PAGES.match(route.path)]
    assert not unknown


class _WithoutFiles(DagsterWebserver[Any, Any]):
    _app_path_prefix = ""

    def build_static_routes(self) -> list[Route]:
        return []


@pytest.mark.parametrize("prefix", ["", "/dagster"])
def test_other_pages_are_served_beside_dagster_behind_the_same_guard(prefix: str):
    def page(_request: object) -> PlainTextResponse:
        return PlainTextResponse("a page")

    dagster = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("Dagster"))])
    app = guarded(
        dagster,
        Settings.from_environment({}),
        path_prefix=prefix,
        pages={"/pages": Starlette(routes=[Route("/{n}", page)])},
    )
    assert _get(app, f"{prefix}/pages/1") == (200, "a page")
    assert _get(app, f"{prefix}/runs") == (200, "Dagster")
    assert _get(app, f"{prefix}/pages/1", host="evil.example")[0] == 403


def _get(app: ASGIApp, path: str, host: str = "localhost") -> tuple[int, str]:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", host.encode())]}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def call() -> None:
        await app(scope, receive, send)

    asyncio.run(call())
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent).decode()


def test_reports_are_served_beside_dagster_behind_the_same_guard(port: int):
    foreign = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}
    assert ask(port, "GET", "/reports/of/wrong", **foreign)[0] == 403
    assert ask(port, "GET", "/reports/of/wrong", Host="evil.example")[0] == 403
    status, page = ask(port, "GET", "/reports/of/wrong")
    assert (status, "Redis" in page) == (503, True)  # this server has none
