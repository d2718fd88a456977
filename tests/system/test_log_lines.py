"""What clients write does not pass for a line of the log, nor for an order to the terminal."""

import base64
import socket
import urllib.parse

import httpx
import pytest

from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

EVIL = "x\r\n14:03:22.123 error   supervisor  forged\x1b[2J\x07\x9b\u2028"


def test_no_text_of_a_client_forges_a_line_or_moves_the_cursor(sample: bytes) -> None:
    with servers.serve("--cpu-workers", "1", "--access-log", "--log-level", "debug") as server:
        for one in (load.body(sample, EVIL), load.body(EVIL.encode()), load.body(sample, id=EVIL)):
            httpx.post(server.url + "/infer/object_detection", json=one, timeout=30)
        quoted = urllib.parse.quote(EVIL)
        httpx.get(f"{server.url}/{quoted}?api_key={quoted}", timeout=30)
        httpx.post(f"{server.url}/{quoted}/1", params={"image": EVIL}, timeout=30)
        files = {"file": (EVIL, b"no picture", EVIL.encode("ascii", "ignore").decode())}
        httpx.post(f"{server.url}/demo/1", files=files, timeout=30)
        httpx.post(f"{server.url}/demo/1", content=base64.b64encode(EVIL.encode()), timeout=30)
        raw(server, b"GET /\x1b[2J HTTP/1.1\r\nHost: \x1b[2J\r\nX-Request-ID: \x1b[2J\r\n\r\n")
        httpx.get(server.url + "/info", headers={"X-Request-ID": "a b\tc"}, timeout=30)
        server.wait_idle()
        lines = server.log.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("14:03:22.123")]


def raw(server: servers.Server, content: bytes) -> bytes:
    """Send bytes as they are, and return how the answer begins."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(content)
        return connection.recv(1000)
