"""Debian's chromium for tests that look at pages.

Without it, or without playwright, a test module that imports this is skipped, and fails where CI is set.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING = "no browser: install Debian's chromium and the python package playwright"
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    _CHROMIUM = None

if _CHROMIUM is None:
    if os.environ.get("CI"):
        raise RuntimeError(_MISSING)
    pytest.skip(_MISSING, allow_module_level=True)

__all__ = ["Browser", "Page", "a_browser", "expect"]


@pytest.fixture(scope="module", name="browser")
def a_browser() -> Iterator[Browser]:
    """A browser of a module's own."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()
