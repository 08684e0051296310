"""Chromium, for what must be seen in a browser."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from waiting import PATIENCE


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser that looks for no network of its own; where there is none, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium")
    patience = PATIENCE * 1000
    sync_api.expect.set_options(timeout=patience)
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=program, args=options, timeout=patience)
        browser.on("context", lambda context: context.set_default_timeout(patience))
        yield browser
        browser.close()
