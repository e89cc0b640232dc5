"""The pages of reports over HTTP."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from strava_assets.web.report_pages import Reports, reports_app

PAGES = {42: b"<h1>of Ada</h1>", 43: b"<h1>of Ben</h1>"}
WORDS = {42: "word-of-ada", 43: "word-of-ben"}

Get = Callable[[str], requests.Response]


@pytest.fixture
def known() -> list[int]:
    """The athletes that have a report."""
    return [42, 43]


@pytest.fixture
def get(known: list[int]) -> Iterator[Get]:
    """GET a path below `/reports` as the web server mounts it."""
    reports = Reports(
        read=PAGES.get,
        athlete_of={word: athlete_id for athlete_id, word in WORDS.items()}.get,
        word_of=WORDS.__getitem__,
        athletes=lambda: list(known),
    )
    app = Starlette(routes=[Mount("/reports", reports_app(reports))])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        root = f"http://127.0.0.1:{listening.getsockname()[1]}/reports"
        yield lambda path: requests.get(root + path, allow_redirects=False, timeout=10)
        server.should_exit = True
        thread.join()


def test_a_link_shows_its_athletes_page_and_no_other(get: Get):
    assert get("/of/word-of-ada").content == PAGES[42]
    assert get("/of/word-of-ben").content == PAGES[43]
    for word in ("", "word", "42", "word-of-ada/", "word-of-ada%00", "..%2Fathlete%2F42"):
        answer = get(f"/of/{word}")
        assert answer.status_code in {404, 307}, word
        assert b"Ada" not in answer.content


def test_whoever_sees_dagster_finds_all_reports(get: Get, known: list[int]):
    page = get("/").text
    assert 'href="/reports/athlete/42"' in page
    assert 'href="/reports/of/word-of-ben"' in page
    assert get("/athlete/43").content == PAGES[43]
    known.clear()
    assert "no activity yet" in get("/").text


def test_a_report_that_is_not_made_yet_is_reported(get: Get):
    answer = get("/athlete/44")
    assert (answer.status_code, "not made yet" in answer.text) == (404, True)


def test_pages_are_not_kept_framed_or_sent_on(get: Get):
    for path in ("/", "/of/word-of-ada", "/of/wrong"):
        headers = get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "private, no-store"
        assert headers["referrer-policy"] == "no-referrer"
