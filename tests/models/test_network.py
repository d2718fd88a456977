"""The ONNX file itself, opened with suspicion."""

import os
from pathlib import Path

import onnx
import pytest

from parallax.models import network
from tests.support import onnx_models, packages


def refusal(folder: Path) -> str:
    path = folder / "weights.onnx"
    if not path.exists():
        onnx_models.make(path)
    return packages.refusal(lambda: network.load(path, folder))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07" * 50, os.urandom(2000)])
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.onnx").write_bytes(content)
    assert "not an ONNX file" in refusal(tmp_path)


def test_two_inputs(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "weights.onnx")
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, (1,)))
    onnx.save(model, path)
    assert "has 2 inputs, expected one picture" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 1000), "expected (N, 3, height, width)"),
        ((1, 64, 64, 3), "expected (N, 3, height, width)"),
        ((1, 1, 28, 28), "a network for grey pictures (one channel) is not served"),
    ],
)
def test_an_input_that_is_no_picture_in_colour(
    tmp_path: Path, shape: tuple[int, ...], reason: str
) -> None:
    path = onnx_models.make(tmp_path / "weights.onnx")
    model = onnx.load(path)
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", 1, shape))
    onnx.save(model, path)
    assert reason in refusal(tmp_path)


def test_external_weights_are_part_of_the_package(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
    assert network.load(path, tmp_path).external == ((tmp_path / "weights.data").resolve(),)


def test_external_weights_outside_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    path = onnx_models.make(folder / "weights.onnx", external="weights.data")
    model = onnx.load(path, load_external_data=False)
    (tmp_path / "weights.data").write_bytes((folder / "weights.data").read_bytes())
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.data"
    path.write_bytes(model.SerializeToString())
    assert "names '../weights.data', which lies outside" in refusal(folder)


def test_external_weights_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    onnx_models.make(folder / "weights.onnx", external="weights.data")
    (folder / "weights.data").rename(tmp_path / "elsewhere.data")
    os.symlink(tmp_path / "elsewhere.data", folder / "weights.data")
    assert "lies outside of the package's folder" in refusal(folder)


def test_external_weights_through_a_link_into_the_blobs(tmp_path: Path) -> None:
    folder, blobs = tmp_path / "m", tmp_path / "blobs"
    path = onnx_models.make(folder / "weights.onnx", external="weights.data")
    blobs.mkdir()
    (folder / "weights.data").rename(blobs / "0123")
    os.symlink(blobs / "0123", folder / "weights.data")
    assert network.load(path, folder, blobs).external == ((blobs / "0123").resolve(),)
    assert "lies outside" in packages.refusal(lambda: network.load(path, folder, tmp_path / "b"))


def test_external_weights_that_are_missing(tmp_path: Path) -> None:
    onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
    (tmp_path / "weights.data").unlink()
    assert "names 'weights.data', which does not exist" in refusal(tmp_path)


def test_an_operator_of_another_library_is_refused(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "weights.onnx")
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Spell", ["a"], ["b"], domain="example"))
    path.write_bytes(model.SerializeToString())
    assert "uses the operator 'example.Spell'" in refusal(tmp_path)
