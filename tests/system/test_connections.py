"""Clients that hold connections, or send what is no HTTP: the others are served, nothing is logged
as a failure. The details are in ``tests/gateway/edge``."""

import contextlib
import random
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support import load, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

GARBAGE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0",
    b"POST /infer/object_detection HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /infer/object_detection HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\n" * 1000,
    b"\xff" * 100_000,
)


@contextlib.contextmanager
def connections(url: str, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold many connections open."""
    with contextlib.ExitStack() as stack:
        parts = httpx.URL(url)
        held = []
        for _ in range(count):
            held.append(socket.create_connection((parts.host, parts.port), timeout=10))
            stack.callback(held[-1].close)
            held[-1].sendall(said)
        yield held


def test_thousands_of_connections_do_not_keep_others_out(sample: bytes) -> None:
    with servers.serve("--cpu-workers", "1", "--max-connections", "512") as server:
        pid = server.pid("api")
        with (
            connections(server.url, 1500),
            connections(server.url, 100, b"POST /infer/object_detection HTTP/1.1\r\n"),
        ):
            wait.wait_until(lambda: server.connections(pid) <= 512, "there is room again")
            answers = [load.detect(server.url, sample).status_code for _ in range(3)]
            assert server.answers()
        assert answers == [200] * 3
        assert "Traceback" not in server.log


def test_beyond_the_limit_health_still_answers(sample: bytes) -> None:
    half = b"POST /infer/object_detection HTTP/1.1\r\n"
    with servers.serve("--cpu-workers", "1", "--max-connections", "64") as server:
        with connections(server.url, 64, half):
            refused = load.detect(server.url, sample)
            assert server.answers()
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        wait.wait_until(lambda: server.connections(server.pid("api")) <= 2, "they are gone")
        assert load.detect(server.url, sample).status_code == 200


def test_what_is_no_http_leaves_no_trace_in_the_log(sample: bytes) -> None:
    chance = random.Random(7)
    with servers.serve("--cpu-workers", "1", "--timeout", "2") as server:
        for raw in (*GARBAGE, *(chance.randbytes(chance.randrange(3000)) for _ in range(100))):
            with connections(server.url, 1) as (held,), contextlib.suppress(OSError):
                held.sendall(raw)
                held.shutdown(socket.SHUT_WR)
                while held.recv(65536):
                    pass
        assert load.detect(server.url, sample).status_code == 200
        assert "Traceback" not in server.log
        assert "error" not in server.log.lower()
