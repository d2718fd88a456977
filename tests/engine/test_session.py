"""Sessions on real, tiny networks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from parallax.contract import errors, spec
from parallax.engine import device as devices
from parallax.engine import runtime
from parallax.engine import session as sessions
from parallax.policy import width
from tests.engine import networks

CPU, CUDA = devices.Device("cpu"), devices.Device("cuda")
PIXELS = networks.SIDE * networks.SIDE * 3


@pytest.mark.parametrize(
    ("batch", "device", "sizes"),
    [
        (spec.BatchSpec(16), CPU, [1]),
        (spec.BatchSpec(16), CUDA, [1, 2, 4, 8, 16]),
        (spec.BatchSpec(12), CUDA, [1, 2, 4, 8, 12]),
        (spec.BatchSpec(1), CUDA, [1]),
        (spec.BatchSpec(4, fixed_size=4), CUDA, [4]),
        (spec.BatchSpec(4, fixed_size=4), CPU, [4]),
    ],
)
def test_batch_sizes(batch: spec.BatchSpec, device: devices.Device, sizes: list[int]) -> None:
    assert sessions.batch_sizes(batch, device) == sizes


@pytest.mark.parametrize(
    ("batch", "most", "sizes"),
    [
        (spec.BatchSpec(16), 6, [1, 2, 4, 6]),
        (spec.BatchSpec(2), 6, [1, 2]),
        (spec.BatchSpec(4, fixed_size=4), 6, [4]),
    ],
)
def test_batch_sizes_on_a_cpu_that_is_allowed_more(
    batch: spec.BatchSpec, most: int, sizes: list[int]
) -> None:
    assert sessions.batch_sizes(batch, CPU, most) == sizes


@pytest.mark.parametrize("threads", [2, 6])
def test_runs_on_several_threads_and_in_batches_give_the_same_answers(
    tmp_path: Path, threads: int
) -> None:
    means = runtime.Means(cores=4, run_threads=threads, cpu_max_batch=3, scratch=tmp_path)
    session = sessions.Session(networks.model(networks.sums(tmp_path / "m.onnx")), CPU, means)
    session.warm_up()

    (together,) = session.run(networks.pictures(3))
    (alone,) = session.run(networks.pictures(1), alone=True)

    assert together[:, 0].tolist() == [PIXELS, 2 * PIXELS, 3 * PIXELS]
    assert alone.tolist() == [[PIXELS]]
    assert session.max_batch == 3


def test_a_run_gives_each_picture_its_row(tmp_path: Path) -> None:
    session = sessions.Session(networks.model(networks.sums(tmp_path / "m.onnx")), CPU)

    (output,) = session.run(networks.pictures(1))

    assert session.max_batch == 1
    assert output.tolist() == [[PIXELS]]


def test_a_short_batch_is_padded_to_a_fixed_axis_and_cut_again(tmp_path: Path) -> None:
    path = networks.sums(tmp_path / "m.onnx", batch=4)
    batch = spec.BatchSpec(4, fixed_size=4)
    session = sessions.Session(networks.model(path, batch), CPU)

    (output,) = session.run(networks.pictures(3))

    assert session.max_batch == 4
    assert output.tolist() == [[PIXELS], [2 * PIXELS], [3 * PIXELS]]


def test_a_plain_network_gets_scaled_floats(tmp_path: Path) -> None:
    path = networks.plain_sums(tmp_path / "m.onnx")
    session = sessions.Session(networks.model(path, plain=spec.PlainInput(scale=2.0)), CPU)

    (output,) = session.run(networks.pictures(1))

    assert output.tolist() == [[PIXELS / 2]]


def test_runs_from_several_threads_do_not_mix(tmp_path: Path) -> None:
    session = sessions.Session(networks.model(networks.sums(tmp_path / "m.onnx")), CPU)
    batches = networks.pictures(32)
    with ThreadPoolExecutor(4) as threads:
        outputs = list(threads.map(lambda i: session.run(batches[i : i + 1])[0], range(32)))

    assert np.concatenate(outputs)[:, 0].tolist() == [PIXELS * (i + 1) for i in range(32)]


def test_a_run_that_comes_alone_gives_the_same_answer(tmp_path: Path) -> None:
    model = networks.model(networks.sums(tmp_path / "m.onnx"))
    session = sessions.Session(model, CPU, runtime.Means(cores=4, scratch=tmp_path))
    picture = networks.pictures(1)

    answers = [session.run(picture, alone=True)[0].tolist() for _ in range(3)]

    assert answers == [[[PIXELS]]] * 3


def test_which_cores_a_run_takes_is_said_once_it_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = networks.model(networks.sums(tmp_path / "m.onnx"))
    session = sessions.Session(model, CPU, runtime.Means(cores=4, scratch=tmp_path))
    caplog.set_level("INFO")

    for _ in range(2 * width.Trial.EACH + 5):
        session.run(networks.pictures(1), alone=True)

    assert caplog.text.count("a request that comes alone runs on") == 1


def test_warming_up_takes_time_and_leaves_a_session_that_works(tmp_path: Path) -> None:
    path = networks.sums(tmp_path / "m.onnx", batch=2)
    session = sessions.Session(networks.model(path, spec.BatchSpec(2, fixed_size=2)), CPU)

    assert 0.0 < session.warm_up() < 10.0
    assert len(session.run(networks.pictures(2))[0]) == 2


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a protobuf")

    with pytest.raises(errors.ModelRefusedError, match=r"broken\.onnx: ONNX Runtime cannot load"):
        sessions.Session(networks.model(path), CPU)


def test_a_file_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelRefusedError, match=r"absent\.onnx"):
        sessions.Session(networks.model(tmp_path / "absent.onnx"), CPU)


@pytest.mark.parametrize("make", [networks.picky, networks.greedy, networks.scalar])
def test_a_network_that_cannot_run_is_refused_at_warm_up(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    session = sessions.Session(networks.model(make(tmp_path / "m.onnx")), CPU)

    with pytest.raises(errors.ModelRefusedError, match="loads but fails to run"):
        session.warm_up()


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_rows_than_were_run_are_a_failure_of_the_model(tmp_path: Path, count: int) -> None:
    """Also when they are as many as the pictures: nobody knows then which of them is whose."""
    path = networks.one_row(tmp_path / "m.onnx")
    session = sessions.Session(networks.model(path, spec.BatchSpec(2, fixed_size=2)), CPU)

    with pytest.raises(errors.ModelFailedError, match="number of rows"):
        session.run(networks.pictures(count))


def test_an_output_without_a_batch_axis_is_a_failure_of_the_model(tmp_path: Path) -> None:
    session = sessions.Session(networks.model(networks.scalar(tmp_path / "m.onnx")), CPU)

    with pytest.raises(errors.ModelFailedError):
        session.run(networks.pictures(1))


def test_running_out_of_memory_is_told_from_other_failures(tmp_path: Path) -> None:
    greedy = sessions.Session(networks.model(networks.greedy(tmp_path / "g.onnx")), CPU)
    picky = sessions.Session(networks.model(networks.picky(tmp_path / "p.onnx")), CPU)

    with pytest.raises(sessions.OutOfDeviceMemoryError, match="allocate"):
        greedy.run(networks.pictures(1))
    with pytest.raises(Exception, match=r"(?i)reshape") as other:
        picky.run(networks.pictures(1))
    assert not isinstance(other.value, sessions.OutOfDeviceMemoryError)
