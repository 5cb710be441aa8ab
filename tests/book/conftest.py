"""The built book, served on this machine, and a browser that reports everything it asks for and complains of."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cls_toys.workbench.book import BUILT

SITE = BUILT / "html"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def pages() -> list[str]:
    """Every page of the built book, by path."""
    found = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
    return sorted(str(path) for path in found if path.parts[0] != "_static")  # its templates are no pages


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").exists():
        pytest.fail("the book is not built: run `make book`, or `cls-toys book`", pytrace=False)
    return SITE


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the book is served: some port of the loopback interface."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CLS_TOYS_REQUIRE_BROWSER"):
            pytest.fail("no Chromium, which CLS_TOYS_REQUIRE_BROWSER asks for: apt install chromium", pytrace=False)
        pytest.skip("no Chromium found: install it (apt install chromium) to test the book in a browser")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Visit:
    """A browser page with a record of all it asked for and complained of."""

    page: Page
    address: str
    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the book and wait until its charts and mathematics are drawn."""
        self.page.goto(self.address + path)
        self.page.wait_for_function(
            "!document.querySelector('figure.chart') || document.documentElement.dataset.charts"
        )
        self.page.wait_for_function(
            "!window.MathJax?.startup?.promise || window.MathJax.startup.promise.then(() => true)"
        )
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    """A fresh page, 1280 pixels wide, that cannot reach any other host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    seen = Visit(context.new_page(), address)

    def guard(route: object) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            seen.foreign.append(route.request.url)
            route.abort()

    seen.page.route("**/*", guard)
    seen.page.on("requestfailed", lambda request: seen.failed.append(request.url))
    seen.page.on("response", lambda got: seen.failed.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    seen.page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    yield seen
    context.close()
