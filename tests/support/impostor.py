"""A server that passes for a parallax with the demo model, knows all answers, and can cheat.

It looks pictures up instead of running a model, so it answers ``parallax chaos`` rightly and fast;
what it does with every so many answers shows whether chaos notices.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import server
from typing import Any

from parallax.chaos import asking, pictures
from tests.support import chaos_answers as answers

HONEST_FOR = 150
"""Requests before the first one that it cheats: it passes the check."""

Cheat = Callable[[bytes, bytes], bytes | None]
"""From the right response and the one before (whole, as bytes) to what is written; None closes the
connection without an answer."""


class Impostor(server.ThreadingHTTPServer):
    """Cheats one answer to a picture in ten, after a while."""

    daemon_threads = True

    def __init__(self, cheat: Cheat | None, worker: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.cheat = cheat
        self.worker = worker
        self.answered = 0
        self.before = b""
        self.lock = threading.Lock()
        self.known = {asking.encoded(each.data): each for each in pictures.make(120)}


class _Handler(server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Impostor

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Be well."""
        rows = [("supervisor", os.getpid()), ("pre", self.server.worker)]
        status = {
            "ready": True,
            "broker": "ok",
            "processes": [{"role": r, "slot": 0, "pid": p, "state": "ready"} for r, p in rows],
            "streams": {"pre": {"length": 0, "pending": 0}},
            "in_flight": 0,
            "slab": {"slots": 1, "held": 0},
        }
        self.wfile.write(_response(200, status if self.path == "/status" else {}))

    def do_POST(self) -> None:
        """Answer, or cheat."""
        length = int(self.headers["Content-Length"])
        if length > 100_000_000:
            self.close_connection = True
            self.wfile.write(_response(413, {"message": "too large"}))
            return
        status, found = self._answer(json.loads(self.rfile.read(length)))
        response: bytes | None = _response(status, found)
        with self.server.lock:
            if status == 200:
                response = self._spoilt(_response(status, found))
        self.close_connection = response is None
        if response is not None:
            self.wfile.write(response)

    def _answer(self, call: dict[str, Any]) -> tuple[int, Any]:
        many = isinstance(call["image"], list)
        images = call["image"] if many else [call["image"]]
        shown = [self.server.known.get(image["value"]) for image in images]
        if call["model_id"] != "demo":
            return 404, {"message": "no such model"}
        rows = [answers.found(call["id"], each) for each in shown if each is not None]
        if len(rows) < len(shown):
            return 400, {"message": "no picture"}
        if call["visualize_predictions"]:
            rows[0]["visualization"] = "aGVsbG8="
        return 200, rows if many else rows[0]

    def _spoilt(self, response: bytes) -> bytes | None:
        mine = self.server
        mine.answered += 1
        before, mine.before = mine.before, response
        due = mine.answered > HONEST_FOR and mine.answered % 10 == 0
        return mine.cheat(response, before) if mine.cheat and due else response


def _response(status: int, found: Any) -> bytes:
    body = json.dumps(found).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@contextmanager
def serving(cheat: Cheat | None, worker: int) -> Iterator[Impostor]:
    """Run the server on a free port within the block; ``worker`` is a process of this one."""
    with Impostor(cheat, worker) as impostor:
        thread = threading.Thread(target=impostor.serve_forever)
        thread.start()
        try:
            yield impostor
        finally:
            impostor.shutdown()
            thread.join()
