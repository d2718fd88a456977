"""Sessions of one graph that share its weights."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from parallax.contract import errors
from parallax.engine import device as devices
from parallax.engine import runtime
from tests.engine import networks

WIDE = 1024


def wide_layer(path: Path) -> Path:
    """A network of one large matrix: 4 MB of weights."""
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.random((WIDE, WIDE), np.float32), "w")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", WIDE))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", WIDE))
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "wide", [given], [result], [weights]
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def answer(session: onnxruntime.InferenceSession, side: int = networks.SIDE) -> list[object]:
    pixels = np.full((1, side, side, 3), 2, np.uint8)
    (output,) = session.run(None, {"x": pixels})
    found: list[object] = output.tolist()
    return found


def test_each_session_has_its_threads_and_the_same_answer(tmp_path: Path) -> None:
    graph = str(networks.sums(tmp_path / "m.onnx"))

    one, three = runtime.open_cpu(graph, [1, 3], tmp_path)

    threads = [each.get_session_options().intra_op_num_threads for each in (one, three)]
    assert threads == [1, 3]
    assert answer(one) == answer(three) == [[2.0 * networks.SIDE * networks.SIDE * 3]]


def test_sessions_map_the_weights_from_files_that_are_gone(tmp_path: Path) -> None:
    graph = wide_layer(tmp_path / "m.onnx")
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    sessions = runtime.open_cpu(str(graph), [1, 2], scratch)

    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if str(scratch) in line
    ]
    ones = np.ones((WIDE, WIDE), np.float32)
    first, second = (session.run(None, {"x": ones})[0] for session in sessions)
    assert list(scratch.iterdir()) == []
    assert len(mapped) == len(sessions)
    assert np.array_equal(first, second)


def test_without_a_place_for_files_the_sessions_are_opened_all_the_same(tmp_path: Path) -> None:
    graph = str(networks.sums(tmp_path / "m.onnx"))

    one, two = runtime.open_cpu(graph, [1, 2], tmp_path / "absent")

    assert answer(one) == answer(two)


def test_a_file_that_is_no_graph_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a protobuf")

    with pytest.raises(Exception, match=r"broken\.onnx"):
        runtime.open_cpu(str(broken), [1, 2], tmp_path)


CUDA = devices.Device("cuda", 2)


def test_cuda_comes_before_the_cpu_on_the_named_device() -> None:
    (name, options), (last, _) = runtime.providers(CUDA, runtime.Means())

    assert (name, options["device_id"], last) == (
        "CUDAExecutionProvider",
        2,
        "CPUExecutionProvider",
    )


def test_tensorrt_leaves_to_cuda_what_it_cannot_run_and_keeps_its_engines(tmp_path: Path) -> None:
    found = runtime.providers(CUDA, runtime.Means(provider="tensorrt", cache=tmp_path))

    names = [name for name, _ in found]
    assert names[:2] == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    assert found[0][1]["device_id"] == 2
    assert found[0][1]["trt_engine_cache_path"] == str(tmp_path / "tensorrt")


def test_a_device_that_is_not_there_is_told_with_what_to_check(tmp_path: Path) -> None:
    graph = str(networks.sums(tmp_path / "m.onnx"))

    with pytest.raises(errors.StartupError, match="cuda:99: CUDAExecutionProvider"):
        runtime.open_accelerated(graph, devices.Device("cuda", 99), runtime.Means())
