"""A fused graph finds exactly what the plain one does, for every family and kind of file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from parallax.contract import spec
from parallax.models import fuse, network, package, plain, resolve
from parallax.models.families import registry
from tests.support import onnx_models

FAMILIES = ["yolov8", "yolox", "yolox-decoded"]


def resolved(path: Path, family: str) -> tuple[package.Package, resolve.Resolved]:
    decoded = "decoded = true" if family.endswith("decoded") else ""
    name = family.removesuffix("-decoded")
    path.with_suffix(".toml").write_text(f'family = "{name}"\n{decoded}\n')
    found = package.read(package.Found("m", path))
    return found, resolve.resolve(found)


def fused(path: Path, family: str) -> tuple[bytes, resolve.Resolved]:
    found, how = resolved(path, family)
    assert how.layout is not None
    plan = fuse.Plan(
        how.family, how.layout, how.input.width, how.input.height, how.batch, how.pixels
    )
    return fuse.fuse(found.network, plan), how


def run(graph: bytes | str, feed: NDArray[Any]) -> NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: feed})
    return np.asarray(output)


def by_hand(path: Path, how: resolve.Resolved, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run the file as it is and read its head in NumPy; candidates sorted by score."""
    head = run(str(path), plain.to_network_input(pixels, how.pixels))
    items = [how.family.candidates([item], how.input) for item in head]
    return np.stack([item[np.argsort(-item[:, 4], kind="stable")] for item in items])


def check(path: Path, family: str, batch: int, tolerance: float = 1e-4) -> None:
    graph, how = fused(path, family)
    size = (how.input.width, how.input.height)
    pixels = np.stack([onnx_models.picture(seed, *size) for seed in range(batch)])
    found, expected = run(graph, pixels), by_hand(path, how, pixels)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 4], expected[..., 4], atol=tolerance)
    # Scores that differ by rounding may change places, so rows are matched by their boxes.
    for ours, theirs in zip(found, expected, strict=True):
        distances = np.abs(ours[:, None, :4] - theirs[None, :, :4]).sum(axis=2)
        match = distances.argmin(axis=1)
        assert len(set(match.tolist())) == len(ours)
        np.testing.assert_allclose(ours, theirs[match], rtol=1e-3, atol=64 * tolerance)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_fused_equals_plain(tmp_path: Path, family: str, batch: int | str) -> None:
    recipe = onnx_models.Recipe(family, batch=batch)
    path = onnx_models.make(tmp_path / "m.onnx", recipe)
    check(path, family, 3 if batch == "batch" else int(batch))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("opset", [11, 12, 13, 17, 18, 20])
def test_every_opset(tmp_path: Path, family: str, opset: int) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(family, opset=opset))
    check(path, family, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision(tmp_path: Path, family: str) -> None:
    recipe = onnx_models.Recipe(family, dtype=np.float16, seed=3)
    path = onnx_models.make(tmp_path / "m.onnx", recipe)
    check(path, family, 2, tolerance=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_sides_that_differ(tmp_path: Path, family: str) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(family, width=96, height=64))
    check(path, family, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_class(tmp_path: Path, family: str) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(family, classes=1))
    check(path, family, 2)


def test_symbolic_sides_are_fixed_at_640(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(symbolic=True))
    graph, how = fused(path, "yolov8")
    assert (how.input.width, how.input.height) == (640, 640)
    found = run(graph, onnx_models.picture(0, 640, 640)[None])
    assert found.shape == (1, 3000, 6)
    assert (np.diff(found[0, :, 4]) <= 0).all()


def test_external_weights_come_into_the_graph(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", external="m.data")
    check(path, "yolov8", 2)


def test_normalisation_is_part_of_the_graph(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx")
    found = package.read(package.Found("m", path))
    how = resolve.resolve(found)
    assert how.layout is not None
    pixels = spec.PlainInput(True, 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    plan = fuse.Plan(how.family, how.layout, 64, 64, None, pixels)
    picture = onnx_models.picture(1)[None]
    expected = run(str(path), plain.to_network_input(picture, pixels))
    best = np.sort(expected[0, 4:].max(axis=0))[::-1]
    np.testing.assert_allclose(
        run(fuse.fuse(found.network, plan), picture)[0, :, 4], best, atol=1e-5
    )


def test_opset_10_is_left_plain(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", onnx_models.Recipe(opset=10))
    with pytest.raises(fuse.CannotFuseError, match="opset 10 is older than 11"):
        fused(path, "yolov8")


def test_huge_weights_are_left_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = onnx_models.make(tmp_path / "m.onnx", external="m.data")
    monkeypatch.setattr(fuse, "MAX_BYTES", 5_000)
    with pytest.raises(fuse.CannotFuseError, match="bytes of weights are more than 5000"):
        fused(path, "yolov8")


def test_a_result_that_is_not_valid_is_left_plain(tmp_path: Path) -> None:
    path = onnx_models.make(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Convolve"
    onnx.save(model, path)
    opened = network.load(path, tmp_path)
    family = registry.FAMILIES["yolov8"]
    layout = family.recognise([(None, 7, 84)], (64, 64))
    assert layout is not None
    with pytest.raises(fuse.CannotFuseError, match="Convolve"):
        fuse.fuse(opened, fuse.Plan(family, layout, 64, 64, None, spec.PlainInput()))
