"""Requests as clients send them, and a ledger of what became of each."""

import base64
import collections
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson


def body(picture: bytes, model: str = "demo", **fields: Any) -> dict[str, Any]:
    """Return the JSON body of a detection request."""
    image = {"type": "base64", "value": base64.b64encode(picture).decode()}
    return {"model_id": model, "image": image, **fields}


def detect(url: str, picture: bytes, model: str = "demo", **fields: Any) -> httpx.Response:
    """Send one picture and return the response."""
    return httpx.post(
        url + "/infer/object_detection", json=body(picture, model, **fields), timeout=60
    )


@dataclass(slots=True)
class Ledger:
    """One line per request sent: what the answer was, or that there was none."""

    sent: int = 0
    statuses: list[int] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    retry_after: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Requests that got any answer."""
        return len(self.statuses)

    @property
    def settled(self) -> int:
        """Requests of which the end is known."""
        return self.answered + len(self.broken)

    def check(self, *others: int) -> None:
        """Check that every request has one answer: the right one, or one of these statuses."""
        assert self.broken == []
        assert self.answered == self.sent
        ends = collections.Counter(self.statuses)
        assert set(ends) <= {httpx.codes.OK, *others}, ends
        found = {
            len(answer["predictions"])
            for answer, status in zip(self.answers, self.statuses, strict=True)
            if status == httpx.codes.OK
        }
        assert len(found) == 1, "all pictures are the same, and so are the right answers"


class Load:
    """``clients`` threads that each send one request after the other, inside a ``with`` block."""

    def __init__(self, url: str, picture: bytes, model: str = "demo", clients: int = 8) -> None:
        self.ledger = Ledger()
        self._url = url
        self._content = orjson.dumps(body(picture, model))
        self._settled = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> "Load":
        """Start to send."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send no more, and wait for all answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Send no more; what is under way goes on."""
        self._stop.set()

    def answers(self, more: int, timeout: float = 60.0) -> None:
        """Wait until ``more`` further requests are settled."""
        with self._settled:
            goal = self.ledger.settled + more
            done = self._settled.wait_for(lambda: self.ledger.settled >= goal, timeout)
        assert done, f"only {self.ledger.settled} of {goal} requests were settled in time"

    def _client(self) -> None:
        url = self._url + "/infer/object_detection"
        headers = {"Content-Type": "application/json"}
        with httpx.Client(timeout=60, headers=headers) as client:
            while not self._stop.is_set():
                with self._settled:
                    self.ledger.sent += 1
                try:
                    response = client.post(url, content=self._content)
                    self._settle(response, None)
                except httpx.HTTPError as problem:
                    self._settle(None, problem)
                    if isinstance(problem, httpx.ConnectError):
                        return

    def _settle(self, response: httpx.Response | None, problem: httpx.HTTPError | None) -> None:
        with self._settled:
            if response is not None:
                self.ledger.statuses.append(response.status_code)
                if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    self.ledger.retry_after.append(response.headers["Retry-After"])
                self.ledger.answers.append(response.json())
            else:
                self.ledger.broken.append(repr(problem))
            self._settled.notify_all()


@contextmanager
def in_background(url: str, picture: bytes, model: str) -> Iterator[None]:
    """Send one request from a thread; whatever becomes of it does not matter."""

    def send() -> None:
        with suppress(httpx.HTTPError):
            detect(url, picture, model)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
