"""A headless Chromium of this machine, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))"


def find() -> str | None:
    """Path of Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Tab:
    """One page at a time. ``complaints`` collects errors, console messages and requests that leave the file or the server."""

    page: Page

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.complaints: list[str] = []
        self._address = ""

    def show(self, page: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file, or what a server has at an address, in a new window of this size."""
        self._address = page.as_uri() if isinstance(page, Path) else page
        for context in self._browser.contexts:
            context.close()
        self.page = self._browser.new_page(
            viewport={"width": width, "height": height},
            is_mobile=width < 600,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        # A busy machine is no failure.
        self.page.set_default_timeout(0)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # What Chromium logs of itself at level verbose is no message of the page.
        self.page.on("console", lambda message: message.type == "verbose" or self.complaints.append(message.text))
        self.page.on("request", self._note)
        self.page.goto(self._address)

    def _note(self, request: Request) -> None:
        own = self._address if self._address.startswith("http") else "file:"
        if not request.url.startswith(("data:", "about:", "blob:", own)):
            self.complaints.append(request.url)

    def value(self, expression: str) -> Any:
        """Value of a JavaScript expression; promises are awaited."""
        return self.page.evaluate(expression)

    def press(self, key: str) -> None:
        """Press and release a key."""
        self.page.keyboard.press(key)
        self.value(TWO_FRAMES)

    def point(self, selector: str, *, click: bool = False) -> None:
        """Move the mouse onto the first such element, and click it if told."""
        element = self.page.locator(selector).first
        assert element.count(), f"the page has no {selector}"
        # The page takes its tip away when it scrolls.
        element.scroll_into_view_if_needed()
        self.value(TWO_FRAMES)
        element.click() if click else element.hover()
        self.value(TWO_FRAMES)


@contextmanager
def opened(program: str) -> Iterator[Tab]:
    """A tab of a Chromium that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=0)
        yield Tab(browser)
        browser.close()
