"""The shipped file is what a newcomer meets first: it must be small, standard and good."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from parallax.demo import evaluate, scenes

FOLDER = Path(evaluate.__file__).parent
MODEL = FOLDER / "detector.onnx"
SAMPLE = FOLDER / "sample.jpg"

SAMPLE_SEED = 318

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def forward(session: onnxruntime.InferenceSession) -> Callable[[Floats], Floats]:
    def run(images: Floats) -> Floats:
        output: Floats = session.run(["output0"], {"images": images})[0]
        return output

    return run


def test_the_file_is_small() -> None:
    assert MODEL.stat().st_size < 1_500_000


def test_the_graph_is_valid() -> None:
    onnx.checker.check_model(onnx.load(str(MODEL)), full_check=True)


def test_the_layout_is_that_of_yolov8(session: onnxruntime.InferenceSession) -> None:
    (image,) = session.get_inputs()
    (output,) = session.get_outputs()
    assert (image.name, image.type, image.shape) == (
        "images",
        "tensor(float)",
        ["batch", 3, 320, 320],
    )
    assert (output.name, output.type) == ("output0", "tensor(float)")
    assert output.shape == ["batch", 4 + len(scenes.NAMES), 40**2 + 20**2 + 10**2]


def test_the_metadata_names_classes_and_geometry(session: onnxruntime.InferenceSession) -> None:
    metadata = session.get_modelmeta().custom_metadata_map
    assert ast.literal_eval(metadata.pop("names")) == dict(enumerate(scenes.NAMES))
    assert metadata.pop("description")
    assert metadata == {
        "task": "detect",
        "stride": "32",
        "imgsz": "[320, 320]",
        "batch": "1",
        "author": "parallax",
        "license": "Apache-2.0",
    }


def test_a_batch_gives_what_its_pictures_give_alone(forward: Callable[[Floats], Floats]) -> None:
    images = np.random.default_rng(0).random((3, 3, 320, 320), dtype=np.float32)
    alone = np.concatenate([forward(image[None]) for image in images])
    np.testing.assert_allclose(forward(images), alone, rtol=1e-3, atol=1e-4)


def test_unseen_scenes_are_understood(forward: Callable[[Floats], Floats]) -> None:
    mean, per_class = evaluate.score(forward, range(40))
    assert set(per_class) == set(scenes.NAMES)
    assert mean >= 0.9, per_class


def test_few_false_alarms_at_the_usual_confidence(forward: Callable[[Floats], Floats]) -> None:
    unseen = [scenes.generate(seed, (320, 320)) for seed in range(40, 60)]
    truths = sum(len(scene.boxes) for scene in unseen)
    found = sum(len(evaluate.detect(forward, scene.image, confidence=0.4)) for scene in unseen)
    assert found == pytest.approx(truths, rel=0.1)


def test_everything_in_the_sample_is_found(forward: Callable[[Floats], Floats]) -> None:
    assert SAMPLE.stat().st_size < 120_000
    with Image.open(SAMPLE) as opened:
        assert opened.size == (640, 480)
        image = opened.convert("RGB")
    # The sample is the scene of this seed, so its truth is known.
    truth = scenes.generate(SAMPLE_SEED, (640, 480)).boxes
    found = evaluate.detect(forward, image, confidence=0.4)
    assert Counter(one["class"] for one in found) == Counter(box.label for box in truth)
    assert evaluate.mean_average_precision([truth], [found])[0] == 1.0
