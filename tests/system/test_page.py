"""The page at ``/`` in a real browser: it sends the sample picture and shows what was found."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import load
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.browser]

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browse(url: str, profile: Path, *options: str) -> str:
    """Open a page, let it work, and return its document as it then is."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    seen = subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={profile}", *options, url],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return seen.stdout


def test_page_shows_what_the_server_finds(
    server: servers.Server, sample: bytes, tmp_path: Path
) -> None:
    expected = [each["class"] for each in load.detect(server.url, sample).json()["predictions"]]
    page = browse(f"{server.url}/#sample", tmp_path, "--virtual-time-budget=20000", "--dump-dom")
    found = re.search(r'<table id="found".*?</table>', page, re.DOTALL)
    assert found is not None
    rows = re.findall(r"<tr><td>([^<]*)</td>", found[0])
    assert rows == expected
    assert f"{len(expected)} found in" in page
    assert "Ready" in page
