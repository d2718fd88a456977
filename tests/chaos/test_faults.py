"""Faults against processes of our own, and against servers to which they cannot be done."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import onnxruntime
import pytest

from parallax.bench import inquiry
from parallax.chaos import faults, processes
from parallax.chaos.schedule import Step
from parallax.chaos.site import Site
from tests.support import impostor, wait

Worker = subprocess.Popen[bytes]


def step(fault: str) -> Step:
    return Step(fault, 1.0, (0.5,) * 6)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def site(worker: Worker) -> Iterator[Site]:
    """A server with one pre worker, which is a child of this process."""
    with impostor.serving(None, worker.pid) as fake:
        yield Site(fake.url, processes.parent(worker.pid), inquiry.Server(fake.url, None), "demo")


def inflict(site: Site, fault: str) -> faults.Inflicted:
    return faults.FAULTS[fault](site, step(fault))


def test_a_killed_worker_is_dead_and_must_be_replaced(site: Site, worker: Worker) -> None:
    done = inflict(site, "kill-pre")
    assert worker.wait(20) == -signal.SIGKILL
    assert done.gone == {worker.pid}
    assert not site.calm(done.gone)
    assert worker.pid in site.met


def test_a_stopped_worker_goes_on_when_its_time_is_over(site: Site, worker: Worker) -> None:
    done = inflict(site, "stop-pre")
    assert processes.still(worker.pid)
    assert done.lasts == 1.0
    assert not done.over()
    done.undo()
    wait.wait_until(lambda: not processes.still(worker.pid), "it goes on")
    assert site.cuts == []


def test_a_worker_that_is_killed_while_it_is_stopped_takes_its_connections_along(
    site: Site, worker: Worker
) -> None:
    done = inflict(site, "stop-pre")
    worker.kill()
    worker.wait(20)
    assert done.over()
    done.undo()
    assert len(site.cuts) == 1


@pytest.mark.parametrize("fault", ["flushall", "client-pause", "reload", "shm-full"])
def test_what_cannot_be_done_says_why(site: Site, fault: str) -> None:
    with pytest.raises(faults.CannotError, match=r"its|ours"):
        inflict(site, fault)


def test_a_reloaded_model_is_another_file_and_still_the_model(site: Site, tmp_path: Path) -> None:
    content = (resources.files("parallax.demo") / "detector.onnx").read_bytes()
    path = tmp_path / "demo.onnx"
    path.write_bytes(content)
    site.models_dir = tmp_path
    for _ in range(2):
        before = path.read_bytes()
        inflict(site, "reload")
        assert path.read_bytes() != before
    onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_shared_memory_is_emptied_again(site: Site, tmp_path: Path) -> None:
    site.shm_dir = tmp_path
    with pytest.raises(faults.CannotError):  # others use that file system
        inflict(site, "shm-full")
    assert list(tmp_path.iterdir()) == []
