"""A trained model finds what is to be seen on real photographs, from encoded bytes to JSON."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from parallax.contract import messages, spec
from parallax.models import catalog
from parallax.models.families import heads
from parallax.stages import pre
from parallax.stages.post import respond
from tests.support import photos

YOLOX = Path(__file__).parents[2].parent / "shared" / "models" / "yolox_nano.onnx"
PERSON, CAT, CUP, TABLE = "0", "15", "41", "60"

# Class, confidence, and x, y, width, height from the top left, of a reference run of the model by
# hand; boxes clipped to the picture.
EXPECTED = {
    "astronaut.png": [(PERSON, 0.926, (11.5, 20.3, 357.4, 487.0))],
    "chelsea.png": [(CAT, 0.621, (0.0, 0.0, 449.4, 300.0))],
    "coffee.png": [
        (CUP, 0.898, (162.1, 16.3, 258.8, 278.2)),
        (TABLE, 0.738, (0.2, 0.4, 598.0, 397.6)),
    ],
    "camera.png": [(PERSON, 0.932, (4.9, 64.0, 295.8, 438.3))],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> spec.ModelSpec:
    if not YOLOX.is_file():
        pytest.skip(f"{YOLOX} is not here")
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(YOLOX, folder)
    (folder / "yolox_nano.toml").write_text('family = "yolox"\n')
    found = catalog.prepare([folder], folder / "cache", 8, 0.0)
    assert found.refused == ()
    return found.specs[0]


@pytest.fixture(scope="module")
def session(model: spec.ModelSpec) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.graph, providers=["CPUExecutionProvider"])


def test_its_description(model: spec.ModelSpec) -> None:
    assert model.fused
    assert model.input == spec.InputSpec(416, 416, "letterbox-top-left", 114)
    assert model.batch.fixed_size == 1


@pytest.mark.parametrize("photo", EXPECTED)
def test_boxes_on_photographs(
    model: spec.ModelSpec, session: onnxruntime.InferenceSession, photo: str
) -> None:
    params = messages.DetectionParams(confidence=0.4, iou_threshold=0.45)
    out = np.empty((model.input.height, model.input.width, 3), dtype=np.uint8)
    placed = pre.prepare(photos.read(photo), messages.ImageOptions(), model.input, 10**8, out)
    outputs = session.run(list(model.output_names), {model.input_name: out[None]})
    few = heads.reduce(model, [np.asarray(output)[0] for output in outputs], params)
    predictions = json.loads(respond.respond(few, model, params, placed))["predictions"]
    assert [found["class"] for found in predictions] == [label for label, *_ in EXPECTED[photo]]
    for found, (_, confidence, box) in zip(predictions, EXPECTED[photo], strict=True):
        left, top = found["x"] - found["width"] / 2, found["y"] - found["height"] / 2
        assert found["confidence"] == pytest.approx(confidence, abs=0.02)
        assert (left, top, found["width"], found["height"]) == pytest.approx(box, abs=2.0)
