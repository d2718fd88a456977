"""The pictures are what the demo model reads with certainty."""

import io
from importlib import resources

import onnxruntime
import pytest
from PIL import Image

from parallax.chaos import asking, codes, pictures, sender
from parallax.demo import evaluate


@pytest.fixture(scope="module")
def forward() -> evaluate.Forward:
    session = onnxruntime.InferenceSession(
        str(resources.files("parallax.demo") / "detector.onnx"), providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(["output0"], {"images": images})[0]


def test_the_demo_model_reads_each_picture(forward: evaluate.Forward) -> None:
    for picture in pictures.make(24):
        image = Image.open(io.BytesIO(picture.data))
        assert image.size == picture.size
        found = evaluate.detect(forward, image.convert("RGB"), confidence=sender.LOOSE)
        assert codes.read(found, picture.size) == picture.code
        assert min(one["confidence"] for one in found) > sender.STRICT > asking.CONFIDENCE


def test_every_run_has_the_same_pictures() -> None:
    assert pictures.make(8) == pictures.make(8)
    assert len({picture.data for picture in pictures.make(8)}) == 8
