"""A headless browser for pages."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def open_browser(playwright):
    """Chromium: the system's, or the one that Playwright installs. Skips the test where there is neither."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # CI is root
    except Exception as error:
        pytest.skip(f"no Chromium can be opened ({str(error).splitlines()[0]})")
