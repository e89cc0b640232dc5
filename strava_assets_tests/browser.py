"""A headless Chromium that looks at Dagster's UI, and keeps pictures of it where SCREENSHOTS names a folder.

Chromium is the system's own: playwright brings only the driver, so nothing is downloaded by a test.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_FLAGS = [
    "--headless",
    "--no-sandbox",  # containers and root have no user namespaces for it; it opens our own loopback pages only
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing but loopback, whatever a page asks for
]
_PATIENCE = 30_000
"""Milliseconds to wait for something on a page: code loads slowly while all tests run on two cores."""


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing() -> str | None:
    """What it takes to look at the UI and is not installed."""
    if not find_spec("playwright"):
        return "playwright is not installed (make test installs it)"
    return None if _chromium() else "Chromium is not installed (on Debian: apt-get install chromium)"


@contextmanager
def opened(url: str, profile: Path) -> Iterator["Page"]:
    """A page of a fresh Chromium, 1400 by 900, light, in UTC; paths are relative to `url`.

    It keeps its files in the empty folder `profile`. Nothing may be `missing`.
    """
    # Here, so that the tests without a browser can be run where it is not installed.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=_chromium(),
            args=_FLAGS,
            base_url=url,
            viewport={"width": 1400, "height": 900},
            color_scheme="light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        try:
            browser.set_default_timeout(_PATIENCE)
            yield browser.pages[0]
        finally:
            browser.close()


def keep_picture(page: "Page", name: str) -> None:
    """Save what the page shows as `name`.png in the folder that SCREENSHOTS names, if it does."""
    if folder := os.environ.get("SCREENSHOTS"):
        # What is still on its way, such as a bar that grows, has ended by then.
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")
