"""Runs from and to bound memory, on the CPU."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parallax.engine import runtime, staging
from tests.engine import networks

PIXELS = networks.SIDE * networks.SIDE * 3


def make(path: Path) -> staging.Staging:
    (session,) = runtime.open_cpu(str(path), [1])
    return staging.Staging(session, networks.model(path))


def test_each_picture_gets_its_row(tmp_path: Path) -> None:
    staged = make(networks.sums(tmp_path / "m.onnx"))

    (output,) = staged.run(networks.pictures(4), 4)

    assert output.tolist() == [[PIXELS * (i + 1)] for i in range(4)]


def test_a_short_batch_sees_nothing_of_the_one_before(tmp_path: Path) -> None:
    staged = make(networks.one_row(tmp_path / "m.onnx"))  # the sum of all pictures

    full, short = (staged.run(networks.pictures(count), 4)[0][0, 0] for count in (4, 1))

    assert (full, short) == (10 * PIXELS, PIXELS)


def test_an_answer_stays_when_the_memory_is_used_again(tmp_path: Path) -> None:
    staged = make(networks.sums(tmp_path / "m.onnx"))

    (first,) = staged.run(networks.pictures(2), 2)
    staged.run(networks.pictures(2)[::-1], 2)

    assert first.tolist() == [[PIXELS], [2 * PIXELS]]


@pytest.mark.parametrize("network", [networks.sums, networks.scalar])
def test_two_sizes_and_outputs_of_any_shape_run(
    tmp_path: Path, network: Callable[[Path], Path]
) -> None:
    staged = make(network(tmp_path / "m.onnx"))

    outputs = [staged.run(networks.pictures(count), count)[0] for count in (1, 4)]

    assert [float(output.sum()) for output in outputs] == [PIXELS, 10 * PIXELS]


def test_runs_from_several_threads_do_not_mix(tmp_path: Path) -> None:
    staged = make(networks.sums(tmp_path / "m.onnx"))
    pictures = networks.pictures(64)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda i: staged.run(pictures[i : i + 1], 1)[0][0, 0], range(64)))

    assert found == [PIXELS * (i + 1) for i in range(64)]


def test_a_run_that_failed_leaves_its_place_usable(tmp_path: Path) -> None:
    staged = make(networks.picky(tmp_path / "m.onnx"))  # fails unless it gets two

    with pytest.raises(Exception, match=r"(?i)reshape"):
        staged.run(networks.pictures(1), 1)

    assert len(staged.run(networks.pictures(2), 2)[0]) == 2
