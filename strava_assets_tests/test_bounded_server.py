"""Which connections the web server closes, and which it leaves alone. How many it takes, its users' tests try."""

import asyncio
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from websockets.sync.client import connect

from strava_assets.bounded_server import BACKLOG, BoundedServer

TAKES = 3.0
"""Seconds that the app takes for its answer: longer than a connection lives in these tests."""


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers late, to a request or on a WebSocket."""
    is_websocket = scope["type"] == "websocket"
    if is_websocket:
        await receive()
        await send({"type": "websocket.accept"})
    else:
        while (await receive()).get("more_body"):
            pass
    await asyncio.sleep(TAKES)
    if is_websocket:
        await send({"type": "websocket.send", "text": "late"})
    else:
        await PlainTextResponse("late")(scope, receive, send)


@pytest.fixture(autouse=True)
def _short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strava_assets.bounded_server.LIFETIME", 0.3)
    monkeypatch.setattr("strava_assets.bounded_server.GRACE", 0.3)


@contextmanager
def serving(*, waits_for_answers: bool) -> Iterator[int]:
    """The app's port."""
    config = uvicorn.Config(slow_app, log_level="error", lifespan="off")
    server = BoundedServer(config, waits_for_answers=waits_for_answers)
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def get(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.slow
def test_an_answer_is_waited_for_where_the_server_says_so():
    with serving(waits_for_answers=True) as port:
        assert get(port) == b"late"
    with serving(waits_for_answers=False) as port, pytest.raises(OSError, match=r"."):
        get(port)


@pytest.mark.slow
def test_a_websocket_lives_as_long_as_it_likes():
    with serving(waits_for_answers=False) as port, connect(f"ws://127.0.0.1:{port}/") as page:
        assert page.recv() == "late"


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_request_that_does_not_come_is_not_waited_for(sent: bytes):
    with serving(waits_for_answers=True) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(sent)
        began = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - began < TAKES


def test_a_header_without_end_is_refused():
    with serving(waits_for_answers=True) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000)
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
