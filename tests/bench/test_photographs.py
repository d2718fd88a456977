"""Generated pictures that stand for photographs."""

import io
from importlib import resources

import onnxruntime
import pytest
from PIL import Image

from parallax.bench import photographs
from parallax.demo import evaluate

SMALL = ((640, 480), (320, 240))


@pytest.fixture(scope="module")
def mixed() -> list[bytes]:
    return photographs.encoded()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_they_are_jpegs_of_the_sizes_asked_for(mixed: list[bytes]) -> None:
    pictures = [opened(data) for data in mixed]

    assert {picture.format for picture in pictures} == {"JPEG"}
    assert [picture.size for picture in pictures] == list(photographs.MIX)


def test_they_have_the_bytes_of_photographs(mixed: list[bytes]) -> None:
    for data in mixed:
        width, height = opened(data).size
        assert 0.15 <= len(data) / (width * height) <= 0.4


def test_one_seed_makes_the_same_again_and_another_does_not() -> None:
    first = photographs.encoded(3, SMALL)

    assert first == photographs.encoded(3, SMALL)
    assert first != photographs.encoded(4, SMALL)


def test_no_two_are_alike(mixed: list[bytes]) -> None:
    assert len(set(mixed)) == len(mixed)


def test_the_demo_model_finds_something_in_most(mixed: list[bytes]) -> None:
    graph = (resources.files("parallax.demo") / "detector.onnx").read_bytes()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def forward(images: evaluate.Floats) -> evaluate.Floats:
        output: evaluate.Floats = session.run(None, {"images": images})[0]
        return output

    found = [evaluate.detect(forward, opened(data), 0.4) for data in mixed]
    assert sum(bool(each) for each in found) > len(mixed) / 2
