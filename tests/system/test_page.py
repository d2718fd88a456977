"""The pages in a real browser: one sends the sample picture and shows what was found."""

import base64
import contextlib
import http.server
import io
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

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
    return opened(url, profile, *options).stdout


def opened(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the browser on a page to its end."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    return subprocess.run(
        [chromium, *QUIET, f"--user-data-dir={profile}", *options, url],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )


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


def png(classes: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    Image.fromarray(classes).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


BOX = {"x": 20, "y": 20, "width": 10, "height": 8, "confidence": 0.9, "class": "cod", "class_id": 0}
POINTS = [{"x": 15, "y": 16}, {"x": 25, "y": 16}, {"x": 25, "y": 24}]
NOSE = {"x": 20, "y": 20, "confidence": 0.8, "class_id": 0, "class": "nose"}
CLASSES = np.array([[0, 1], [1, 2]], np.uint8).repeat(20, 0).repeat(20, 1)
PIXELS = {
    "segmentation_mask": png(CLASSES),
    "confidence_mask": png(CLASSES),
    "class_map": {"0": "background", "1": "road", "2": "tree"},
    "present_class_ids": [0, 1, 2],
}
SCORES = {"cat": {"confidence": 0.2, "class_id": 0}, "dog": {"confidence": 0.7, "class_id": 1}}
ANSWERS: dict[str, tuple[str, Any, list[list[str]]]] = {
    "instance-segmentation": (
        "instance_segmentation",
        [BOX | {"points": POINTS, "mask_format": "polygon"}],
        [["cod", "0.90", "20, 20", "10 \u00d7 8"]],
    ),
    "keypoint-detection": (
        "keypoints_detection",
        [BOX | {"keypoints": [NOSE]}],
        [["cod", "0.90", "20, 20", "10 \u00d7 8"]],
    ),
    "classification": (
        "classification",
        SCORES,
        [["dog", "0.70"], ["cat", "0.20"]],
    ),
    "semantic-segmentation": (
        "semantic_segmentation",
        PIXELS,
        [["road", "50.0 %"], ["background", "25.0 %"], ["tree", "25.0 %"]],
    ),
}
REDUCED = {"/model/registry": {}, "/readiness": {"status": "ready"}, "/info": {"version": "1"}}
"""What a key may ask for that does not manage the server; the models come with each."""


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that knows the page and one answer. It may ask for the key that the page has not,
    or keep its state to itself."""

    task: str
    code: int
    """Status of the answer of ``/status``."""
    sample: bytes

    def do_GET(self) -> None:
        model = {"id": "m", "task": self.task, "family": "f", "input": [40, 40], "labels": 2}
        refused = {"id": "n", "state": "refused", "reason": "not ONNX", "package": "/models/n.onnx"}
        models = [model, refused]
        status = {"ready": True, "in_flight": 0, "version": "1", "node": "n", "models": models}
        if self.path == "/status":
            self.reply(json.dumps(status).encode(), self.code)
        elif self.path in REDUCED:
            entry = {"model_id": "m", "task_type": self.task, "input_width": 4, "input_height": 4}
            self.reply(json.dumps(REDUCED[self.path] | {"models": [entry]}).encode())
        elif self.path == "/sample.jpg":
            self.reply(self.sample)
        else:
            self.reply((resources.files("parallax.gateway") / "pages/index.html").read_bytes())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        route, predictions, _ = ANSWERS[self.task]
        found = self.path == f"/infer/{route}"
        answer = {"time": 0.1, "predictions": predictions} if found else {"message": self.path}
        self.reply(json.dumps(answer).encode(), 200 if found else 404)

    def reply(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def answering(sample: bytes, task: str, code: int = 200) -> Iterator[str]:
    handler = type("Handler", (Answers,), {"task": task, "code": code, "sample": sample})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("task", ANSWERS)
def test_page_shows_what_other_tasks_find(sample: bytes, tmp_path: Path, task: str) -> None:
    _, _, expected = ANSWERS[task]
    with answering(sample, task) as url:
        page = browse(f"{url}/#sample", tmp_path, "--virtual-time-budget=20000", "--dump-dom")

    found = re.search(r'<table id="found".*?</table>', page, re.DOTALL)
    assert found is not None
    rows = re.findall(r"<tr>(<td.*?)</tr>", found[0])
    assert [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows] == expected
    things = [row for row in expected if row[0] != "background"]
    assert f">{len(things)} found in" in page
    assert '<td>n</td><td colspan="4">refused not ONNX</td>' in page
    assert page.count("<option") == 1


def test_page_asks_for_the_key_that_the_server_asks_for(sample: bytes, tmp_path: Path) -> None:
    with answering(sample, "classification", 401) as url:
        page = browse(url, tmp_path, "--virtual-time-budget=5000", "--dump-dom")

    assert "This server asks for a key" in page
    assert '<label id="lock" hidden' not in page


def test_page_works_with_a_key_that_does_not_manage_the_server(
    sample: bytes, tmp_path: Path
) -> None:
    with answering(sample, "classification", 403) as url:
        page = browse(f"{url}/#sample", tmp_path, "--virtual-time-budget=20000", "--dump-dom")

    assert ">Ready<" in page
    assert page.count("<option") == 1
    assert ">2 found in" in page


def test_description_of_the_api_is_readable(server: servers.Server, tmp_path: Path) -> None:
    page = browse(f"{server.url}/docs", tmp_path, "--virtual-time-budget=5000", "--dump-dom")

    assert "/infer/keypoints_detection" in page
    assert "keypoint_confidence" in page


@pytest.mark.parametrize("path", ["/#sample", "/docs"])
def test_browser_finds_nothing_on_a_page_that_its_policy_forbids(
    server: servers.Server, tmp_path: Path, path: str
) -> None:
    loud = ("--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom")
    seen = opened(server.url + path, tmp_path, *loud)

    assert "</html>" in seen.stdout
    assert "Content Security Policy" not in seen.stderr
