"""The bounds of an HTTP answer, whatever its form: one deadline and one size, from the status line to the last byte.

requests' own timeout is one of silence: an answer that brings a byte a second, an endless header or one
`100 Continue` after the other keeps it waiting for ever. So the deadline is kept where bytes come in, on the socket.
"""

import http.client
import io
import socket
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

DEADLINE = 60.0
"""Seconds for a whole answer, counted from when the request was sent."""

MAX_BYTES = 16 * 1024 * 1024
"""Of a whole answer, as it travels and unpacked; a page of 200 activities has well under one megabyte."""


class UnboundedAnswer(requests.RequestException):
    """The answer did not end within its time or its size."""


class IncompleteAnswer(requests.RequestException):
    """The body ended early."""


class _BoundedStream(io.RawIOBase):
    """What a socket receives until the deadline, at most MAX_BYTES of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._silence = sock.gettimeout() or DEADLINE
        self._deadline = time.monotonic() + DEADLINE
        self._left = MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - a writable buffer, which has no name before 3.12
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        # The connection's own timeout may be None between requests: it is set anew for each of them.
        self._sock.settimeout(min(self._silence, left))
        try:
            received = self._stream.readinto(buffer)
        except TimeoutError:
            if left < self._silence:
                raise self._too_late() from None
            raise
        self._left -= received or 0
        if self._left < 0:
            raise UnboundedAnswer(f"the answer has more than {MAX_BYTES // 1024**2} MB")
        return received

    @staticmethod
    def _too_late() -> UnboundedAnswer:
        return UnboundedAnswer(f"the answer did not end within {DEADLINE:.0f} seconds")

    def close(self) -> None:
        self._stream.close()
        super().close()


class _BoundedSocket:
    """What http.client makes an answer of: something with `makefile`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedStream(self._sock))


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *more: Any, **how: Any) -> None:  # noqa: ANN401 - http.client's own
        super().__init__(_BoundedSocket(sock), *more, **how)  # type: ignore[arg-type]


class _Http(HTTPConnection):
    response_class = _BoundedResponse


class _Https(HTTPSConnection):
    response_class = _BoundedResponse


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


class BoundedAdapter(HTTPAdapter):
    """Sends requests over connections whose answers are bounded, those through a proxy too."""

    def init_poolmanager(self, *sizes: Any, **how: Any) -> None:  # noqa: ANN401 - requests' own
        """Keep direct connections."""
        super().init_poolmanager(*sizes, **how)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:  # noqa: ANN401 - requests' own
        """Keep connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **how)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager


def read_whole(response: requests.Response) -> requests.Response:
    """The streamed response with its whole body read.

    Raises UnboundedAnswer or IncompleteAnswer where that does not end, or ends before it is whole.
    """
    body = bytearray()
    with response:
        try:
            for chunk in response.raw.stream(64 * 1024, decode_content=True):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise UnboundedAnswer(f"the answer has more than {MAX_BYTES // 1024**2} MB")
        except urllib3.exceptions.HTTPError as error:
            raise (unbounded(error) or IncompleteAnswer("the answer was cut off")) from error
        announced, received = response.headers.get("Content-Length", ""), response.raw.tell()
    if announced.isdigit() and received != int(announced):
        raise IncompleteAnswer(f"the body ends after {received} of {announced} bytes")
    response.raw = io.BytesIO(body)
    return response


def unbounded(error: BaseException) -> UnboundedAnswer | None:
    """The bound that an error of the libraries above the socket came from."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UnboundedAnswer):
        cause = cause.__cause__ or cause.__context__
    return cause
