"""Logits become scores; what the three kinds of networks expect differs."""

import math

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, classification
from tests.support import run_heads

FAMILIES = {family.name: family for family in classification.FAMILIES}
LOGITS = [[0.5, -1.0, 2.0], [3.0, 0.0, 0.0]]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize(
    ("outputs", "known", "classes"),
    [
        ([(1, 1000)], 0, 1000),
        ([(None, 3)], 3, 3),
        ([(1, 3), (1, 512)], 3, 3),
        ([(1, 3)], 4, None),
        ([(1, 0)], 0, None),
        ([(1, None)], 3, None),
        ([(1, 3, 1)], 3, None),
        ([(3,)], 3, None),
        ([], 0, None),
    ],
)
def test_recognised(
    family: base.Family, outputs: list[base.Shape], known: int, classes: int | None
) -> None:
    layout = family.recognise(outputs, (224, 224), spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes


def scores(name: str, activation: str | None) -> list[list[float]]:
    known = spec.Layout(activation=activation)
    head = run_heads.decode(FAMILIES[name], [np.array(LOGITS, np.float32)], (224, 224), known)
    assert isinstance(head, base.Scores)
    values: list[list[float]] = head.values.tolist()
    return values


@pytest.mark.parametrize(
    ("name", "activation"),
    [("resnet", None), ("vit", None), ("yolov5", None), ("yolov8", "softmax")],
)
def test_softmax(name: str, activation: str | None) -> None:
    for found, logits in zip(scores(name, activation), LOGITS, strict=True):
        total = sum(math.exp(value) for value in logits)
        assert found == pytest.approx([math.exp(value) / total for value in logits], rel=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_sigmoid_where_the_package_says_so(name: str) -> None:
    for found, logits in zip(scores(name, "sigmoid"), LOGITS, strict=True):
        assert found == pytest.approx([1 / (1 + math.exp(-value)) for value in logits], rel=1e-5)


@pytest.mark.parametrize(("name", "activation"), [("yolov8", None), ("resnet", "none")])
def test_probabilities_stay_as_they_are(name: str, activation: str | None) -> None:
    assert scores(name, activation) == LOGITS


@pytest.mark.parametrize(
    ("name", "resize", "mean"),
    [
        ("yolov8", "fill", (0.0, 0.0, 0.0)),
        ("yolov5", "fill", (0.485, 0.456, 0.406)),
        ("vit", "stretch", (0.5, 0.5, 0.5)),
        ("resnet", "stretch", (0.485, 0.456, 0.406)),
    ],
)
def test_what_the_networks_expect(name: str, resize: str, mean: tuple[float, float, float]) -> None:
    found = FAMILIES[name].defaults
    assert (found.resize, found.mean, found.side) == (resize, mean, 224)
