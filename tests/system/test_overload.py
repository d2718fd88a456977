"""More requests than can be answered, clients that do not wait, and what is done for whom."""

import concurrent.futures
import contextlib
import re
from collections import Counter
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.support import load, onnx_slow, wait
from tests.support import server as servers

pytestmark = pytest.mark.system

URL = "/infer/object_detection"
CLIENTS = 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with a model that takes its time, and one that does not."""
    folder = tmp_path_factory.mktemp("models")
    onnx_slow.write(folder / "slow.onnx", seconds=0.4)
    onnx_slow.write(folder / "quick.onnx", seconds=0.01)
    with servers.serve("--models", str(folder), "--cpu-workers", "1", "--runs", "1") as running:
        yield running


def test_a_crowd_gets_answers_or_refusals_and_hardly_a_timeout(
    server: servers.Server, sample: bytes
) -> None:
    content = orjson.dumps(load.body(sample, "slow"))
    headers = {"Content-Type": "application/json", "X-Request-Timeout": "5"}

    def ask(_: int) -> httpx.Response:
        return httpx.post(server.url + URL, content=content, headers=headers, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as crowd:
        # The first tell how long it takes; nothing can be known before.
        Counter(each.status_code for each in crowd.map(ask, range(CLIENTS)))
        answers = list(crowd.map(ask, range(8 * CLIENTS)))
    found = Counter(each.status_code for each in answers)
    assert set(found) <= {200, 503, 504}
    assert found[200] > 0
    assert found[503] > found[504], "late answers are refused beforehand"
    refusals = [each for each in answers if each.status_code == 503]
    assert all(1 <= int(each.headers["Retry-After"]) <= 60 for each in refusals)
    assert all(each.json()["message"] for each in refusals)
    server.wait_idle()
    assert load.detect(server.url, sample, "quick").status_code == 200


def test_pictures_of_clients_that_hung_up_are_not_run(
    server: servers.Server, sample: bytes
) -> None:
    content = orjson.dumps(load.body(sample, "slow"))
    before = _run(server, "slow")

    def leave(_: int) -> None:
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(
                server.url + URL,
                content=content,
                headers={"Content-Type": "application/json"},
                timeout=httpx.Timeout(30, read=0.5),
            )

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as crowd:
        list(crowd.map(leave, range(CLIENTS)))
    server.wait_idle(60.0)
    assert _run(server, "slow") - before < CLIENTS / 2
    assert load.detect(server.url, sample, "quick").status_code == 200


def test_who_waits_less_long_than_the_server_would_gets_504_in_time(
    server: servers.Server, sample: bytes
) -> None:
    answer = httpx.post(
        server.url + URL,
        json=load.body(sample, "slow"),
        headers={"X-Request-Timeout": "0.02"},
        timeout=60,
    )
    assert answer.status_code == 504
    wait.wait_until(lambda: server.status()["in_flight"] == 0, "it is given up")
    server.wait_idle()


def _run(server: servers.Server, model: str) -> float:
    """Return how many pictures the inference loop has run."""
    found = re.findall(
        rf'^parallax_batch_size_sum{{model="{model}"}} (\S+)$', server.get("/metrics").text, re.M
    )
    return sum(map(float, found))
