"""Models that raise, hang, crash or answer nonsense on some pictures: only those suffer."""

import concurrent.futures
from collections.abc import Iterator, Sequence

import httpx
import pytest

from tests.support import load, onnx_faults
from tests.support import server as servers

pytestmark = pytest.mark.system

BAD = onnx_faults.BRIGHT
LEVELS = (20, 60, 100, 140, 180, 220)

INNOCENT = onnx_faults.picture(LEVELS[0])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with a model for every fault, and batches."""
    folder = tmp_path_factory.mktemp("faults")
    for fault in onnx_faults.FAULTS:
        onnx_faults.write(folder / f"{fault}.onnx", fault)
    options = ("--models", str(folder), "--cpu-workers", "1", "--cpu-max-batch", "8")
    with servers.serve(*options, "--runs", "1") as running:
        yield running


def ask(server: servers.Server, model: str, levels: Sequence[int]) -> list[httpx.Response]:
    """Send a picture of each level at the same time; return the answers in that order."""
    with concurrent.futures.ThreadPoolExecutor(len(levels)) as pool:
        pictures = map(onnx_faults.picture, levels)
        return list(pool.map(lambda each: load.detect(server.url, each, model), pictures))


def check_right(level: int, answer: httpx.Response) -> None:
    """Check that an answer is that of a picture of this level."""
    assert answer.status_code == httpx.codes.OK, answer.text
    (found,) = answer.json()["predictions"]
    assert found["width"] == pytest.approx(onnx_faults.width(level), abs=0.2)


@pytest.mark.parametrize("fault", ["raise", "rows", "nan"])
def test_pictures_on_which_a_model_fails_fail_alone(server: servers.Server, fault: str) -> None:
    levels = (*LEVELS[:3], BAD, *LEVELS[3:], BAD + 5)
    pids = {row["pid"] for row in server.status()["processes"]}

    for level, answer in zip(levels, ask(server, fault, levels), strict=True):
        if level >= BAD:
            assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
            assert f"model '{fault}' failed on this image" in answer.json()["message"]
        else:
            check_right(level, answer)

    assert {row["pid"] for row in server.status()["processes"]} == pids, "nobody died of it"
    server.wait_idle()


def test_a_batch_that_does_not_fit_is_halved_and_one_that_never_fits_is_told(
    server: servers.Server,
) -> None:
    # While the first is decoded or run the others gather, so that a batch of more than two leaves.
    levels = (BAD, *(200, 160, 180, 220) * 3)

    first, *others = ask(server, "memory", levels)

    assert first.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "no memory" in first.json()["message"]
    for level, answer in zip(levels[1:], others, strict=True):
        check_right(level, answer)
    server.wait_idle()


def test_a_request_that_crashes_its_worker_each_time_is_set_aside_alone(
    server: servers.Server,
) -> None:
    before = server.status()["streams"]["dead"]["length"]
    others = {row["pid"] for row in server.status()["processes"] if row["role"] != "infer"}

    with load.Load(server.url, INNOCENT, "raise", clients=2) as innocent:
        innocent.answers(10)
        (poisoned,) = ask(server, "crash", (BAD,))
        innocent.answers(10)

    assert poisoned.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "3 workers" in poisoned.json()["message"]
    assert set(innocent.ledger.statuses) == {httpx.codes.OK}
    assert innocent.ledger.answered == innocent.ledger.sent
    assert server.status()["streams"]["dead"]["length"] == before + 1
    kept = {row["pid"] for row in server.status()["processes"] if row["role"] != "infer"}
    assert kept == others, "no other process died"
    server.wait_idle()


def test_a_run_that_hangs_is_ended_and_its_request_set_aside_alone(server: servers.Server) -> None:
    before = server.status()["streams"]["dead"]["length"]

    with load.Load(server.url, INNOCENT, "raise", clients=2) as innocent:
        innocent.answers(10)
        (hung,) = ask(server, "hang", (BAD,))
        innocent.answers(10)

    assert hung.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "the model hung on this request" in hung.json()["message"]
    assert set(innocent.ledger.statuses) == {httpx.codes.OK}
    assert innocent.ledger.answered == innocent.ledger.sent
    assert server.status()["streams"]["dead"]["length"] == before + 1
    assert server.log.count("model hang hangs: a run of 1 items") == 3
    assert 'parallax_hung_runs_total{model="hang"}' in server.get("/metrics").text
    check_right(100, ask(server, "hang", (100,))[0])
    server.wait_idle()
