"""A tiny web server on loopback that receives the redirect at the end of a login, and nothing else."""

import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from strava_assets.errors import PermanentError, StravaAssetsError
from strava_assets.strava.login import ForeignRedirect, Grant

PATH = "/strava"

_PAGE = """<!doctype html><meta charset="utf-8"><title>strava-assets</title>
<p style="font: 1.2em sans-serif; margin: 4em">{words}</p>"""

DONE = "Thank you. Close this window and look at the terminal."
NOT_DONE = "The login did not succeed. Close this window and look at the terminal."
FOREIGN = "This is not the end of the login that is in progress."


class RedirectReceiver:
    """Waits for the browser on a free port of 127.0.0.1; a context manager."""

    def __init__(self) -> None:
        self._judge: Callable[[str], Grant] | None = None
        self._outcomes: queue.Queue[Grant | StravaAssetsError] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def redirect_uri(self) -> str:
        """Where Strava is to send the browser."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def expect(self, judge: Callable[[str], Grant]) -> None:
        """Say how to read a redirect. One that is not of this login is refused, and waiting goes on."""
        self._judge = judge

    def wait(self, timeout: float) -> Grant:
        """What the redirect granted. Raises what was raised reading it, and PermanentError after `timeout` seconds."""
        try:
            outcome = self._outcomes.get(timeout=timeout)
        except queue.Empty:
            raise PermanentError(
                f"Nobody finished the login within {timeout / 60:.0f} minutes. Start again; where the browser is on "
                "another machine: strava-assets login --no-browser"
            ) from None
        if isinstance(outcome, StravaAssetsError):
            raise outcome
        return outcome

    def _receive(self, path: str) -> tuple[int, str, Grant | StravaAssetsError | None]:
        if urlsplit(path).path != PATH or self._judge is None:
            return 404, FOREIGN, None
        try:
            return 200, DONE, self._judge(path)
        except ForeignRedirect:
            return 400, FOREIGN, None
        except StravaAssetsError as error:
            return 200, NOT_DONE, error

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receive, outcomes = self._receive, self._outcomes

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, words, outcome = receive(self.path)
                page = _PAGE.format(words=words).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
                if outcome:
                    outcomes.put(outcome)  # only now: the server stops once there is one

            def log_message(self, *_: object) -> None:
                """Say nothing: the path holds the code."""

        return Handler
