"""Answers of every form that do not end, or are too large: each is given up in time, and its memory is bounded."""

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
import requests

from strava_assets.errors import StravaUnavailable
from strava_assets.settings import Settings
from strava_assets.strava import bounds
from strava_assets.strava.oauth import EXCHANGE, OAuth
from strava_assets.strava.retries import repeat
from strava_assets.strava.transport import https_form, open_session
from strava_assets_tests.strava.fake_clock import FakeClock

Speaker = Callable[[socket.socket], None]

MEGABYTE = b"x" * 1024 * 1024


class RawServer:
    """Answers each request with whatever bytes `speak` writes, until the client hangs up."""

    def __init__(self, speak: Speaker) -> None:
        self._speak = speak
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    self._speak(connection)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


def dripping(head: bytes, drip: bytes) -> Speaker:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(drip)
            time.sleep(0.05)

    return speak


def flooding(head: bytes, flood: bytes) -> Speaker:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(1024):
            connection.sendall(flood)

    return speak


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

ENDLESS = {
    "a body of a known length, a byte at a time": dripping(OK + b"Content-Length: 100000\r\n\r\n", b"1"),
    "a body that ends with the connection": dripping(OK + b"\r\n", b"1"),
    "chunks": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n1\r\n"),
    "the size of a chunk": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers": dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "a status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "a header": dripping(OK + b"X: ", b"y"),
    "100 Continue for ever": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}

HUGE = {
    "a known length": flooding(OK + b"Content-Length: 1073741824\r\n\r\n", MEGABYTE),
    "an unknown length": flooding(OK + b"\r\n", MEGABYTE),
    "chunks": flooding(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + MEGABYTE + b"\r\n"),
    "the size of a chunk": flooding(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1024 * 1024),
    "a trailer": flooding(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", MEGABYTE),
    "100 Continue for ever": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40000),
}


@pytest.fixture
def serve() -> Iterator[Callable[[Speaker], str]]:
    servers: list[RawServer] = []

    def start(speak: Speaker) -> str:
        servers.append(RawServer(speak))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("form", ENDLESS)
def test_an_answer_that_never_ends_is_given_up_at_its_deadline(
    form: str, serve: Callable[[Speaker], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "DEADLINE", 1.0)
    url = serve(ENDLESS[form])
    began = time.monotonic()
    with closing(open_session("1", url)) as session, pytest.raises(requests.RequestException) as raised:
        session.request("GET", https_form(url), timeout=30, withhold_token=True)
    assert str(bounds.unbounded(raised.value)) == "the answer did not end within 1 seconds"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("form", HUGE)
def test_an_answer_beyond_its_size_is_given_up_with_its_memory_bounded(
    form: str, serve: Callable[[Speaker], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAX_BYTES", 4 * 1024 * 1024)
    url = serve(HUGE[form])
    tracemalloc.start()
    try:
        with closing(open_session("1", url)) as session, pytest.raises(requests.RequestException) as raised:
            session.request("GET", https_form(url), timeout=30, withhold_token=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # These two urllib3 refuses before we do, and newer Pythons the last one.
    if form in {"the size of a chunk", "a trailer"}:
        expected = "the answer was cut off"
    elif "got more than 100 interim responses" in str(raised.value):
        expected = str(raised.value)
    else:
        expected = "the answer has more than 4 MB"
    assert str(bounds.unbounded(raised.value) or raised.value) == expected
    assert peak < 40 * 1024 * 1024


def test_an_answer_that_unpacks_to_more_than_its_size_is_given_up(
    serve: Callable[[Speaker], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAX_BYTES", 4 * 1024 * 1024)
    packed = gzip.compress(MEGABYTE * 64)
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    url = serve(lambda connection: connection.sendall(head + packed))
    with closing(open_session("1", url)) as session, pytest.raises(bounds.UnboundedAnswer, match="more than 4 MB"):
        session.request("GET", https_form(url), timeout=30, withhold_token=True)


@pytest.mark.parametrize("form", ["a known length", "chunks"])
def test_an_oauth_answer_has_the_same_bounds_and_is_reported_in_one_line(
    form: str, serve: Callable[[Speaker], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAX_BYTES", 4 * 1024 * 1024)
    url = serve(HUGE[form])
    settings = Settings.from_environment({"STRAVA_CLIENT_ID": "1", "STRAVA_CLIENT_SECRET": "x", "STRAVA_BASE_URL": url})
    oauth = OAuth(settings, FakeClock().clock)
    asks: list[Callable[[], object]] = [lambda: renew(oauth), lambda: oauth.revoke("token")]
    for ask in asks:
        with pytest.raises(StravaUnavailable, match=r"^POST /oauth/\w+ failed.*the answer has more than 4 MB\.$"):
            ask()


@pytest.mark.parametrize("body", ['{"access_token": ' + "[" * 2000, "[" * 100_000, '{"x": ' + "1" * 5000 + "}"])
def test_an_oauth_answer_that_no_parser_takes_holds_no_token(body: str, serve: Callable[[Speaker], str]) -> None:
    answer = OK + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    url = serve(lambda connection: connection.sendall(answer))
    settings = Settings.from_environment({"STRAVA_CLIENT_ID": "1", "STRAVA_CLIENT_SECRET": "x", "STRAVA_BASE_URL": url})
    with pytest.raises(StravaUnavailable, match="the answer holds no token"):
        renew(OAuth(settings, FakeClock().clock))


def renew(oauth: OAuth) -> object:
    """As a token is renewed: with bounded retries."""
    return repeat(EXCHANGE, lambda: oauth.renew("refresh", 7), FakeClock().clock)
