"""A real headless Chromium for the tests of the page; what a page says and asks for is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Opened:
    """A page in the browser.

    Attributes:
        page: Playwright's page.
        said: console warnings and errors, and what was thrown and not caught.
        asked: the addresses that the page asked for, itself excepted.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What is chosen on the page."""
        return dict(self.page.evaluate("() => LWD.state"))

    def set(self, **patch: Any) -> None:
        """Choose, as a part of the page would."""
        self.page.evaluate("patch => LWD.set(patch)", patch)

    def tour(self) -> None:
        """Every section that is there comes on screen once, so that all is drawn."""
        for section in self.page.locator("section[id]:visible").all():
            section.evaluate("one => one.scrollIntoView({ behavior: 'instant' })")
            self.settle()

    def settle(self) -> None:
        """Two frames later: what was asked to be drawn is drawn."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )


Open = Callable[..., Opened]


def found() -> str | None:
    """The browser's path; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str | Path, **context: Any) -> Iterator[Opened]:
    """A page in a context of its own: ``color_scheme``, ``viewport``, ``java_script_enabled``."""
    where = address.resolve().as_uri() if isinstance(address, Path) else address
    with browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}) as own:
        page = own.new_page()
        page.set_default_timeout(10_000)
        one = Opened(page)
        page.on(
            "console",
            lambda m: m.type in ("error", "warning") and one.said.append(f"{m.type}: {m.text}"),
        )
        page.on("pageerror", lambda error: one.said.append(f"thrown: {error}"))
        page.on(
            "request",
            lambda r: (
                r.url.split("#")[0] != where.split("#")[0]
                and not r.url.startswith("data:")
                and one.asked.append(r.url)
            ),
        )
        page.goto(where)
        if context.get("java_script_enabled", True):
            page.wait_for_function("() => document.documentElement.classList.contains('js')")
            one.settle()
        yield one


def none_found() -> str:
    """What is said where there is no browser; "" where there is one, or has to be."""
    if found() is not None or os.environ.get("LWD_BROWSER") == "required":
        return ""
    return f"no browser found ({', '.join(NAMES)}); apt-get install chromium brings one"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module; with LWD_BROWSER=required it fails where there is none."""
    assert found() is not None, f"no browser found ({', '.join(NAMES)})"
    with launched() as browser:
        yield browser


@pytest.fixture
def show(chromium: Browser) -> Iterator[Open]:
    """Open pages, closed after the test."""
    with ExitStack() as stack:
        yield lambda address, **context: stack.enter_context(opened(chromium, address, **context))
