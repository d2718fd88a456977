"""What travels between the stages is little, and what arrives is checked."""

from typing import Any

import msgspec
import numpy as np
import pytest

from parallax.contract import errors, messages, spec
from parallax.models.families import detection

FUSED = spec.ModelSpec(
    id="m",
    version="v",
    task="object-detection",
    family="yolov8",
    labels=("a", "b"),
    input=spec.InputSpec(64, 64),
    batch=spec.BatchSpec(),
    graph="m.onnx",
    fused=True,
    input_name="pixels",
    output_names=("candidates",),
    source="m.onnx",
)
PLAIN = msgspec.structs.replace(FUSED, fused=False)


def rows(*scores: float) -> Any:
    found = np.zeros((len(scores), 6), dtype=np.float32)
    found[:, 4] = scores
    return found


def test_rows_below_the_threshold_stay_behind() -> None:
    (kept,) = detection.reduce(FUSED, [rows(0.9, 0.4, 0.39)], messages.DetectionParams(0.4))
    assert kept[:, 4].tolist() == pytest.approx([0.9, 0.4])


def test_what_is_kept_is_a_copy() -> None:
    batch = np.stack([rows(0.9, 0.8), rows(0.7, 0.6)])
    (kept,) = detection.reduce(FUSED, [batch[1]], messages.DetectionParams(0.1))
    batch[:] = 0
    assert kept[:, 4].tolist() == pytest.approx([0.7, 0.6])
    assert kept.flags.c_contiguous


def test_plain_outputs_travel_as_they_are() -> None:
    head = np.zeros((6, 84), dtype=np.float32)
    assert detection.reduce(PLAIN, [head], messages.DetectionParams())[0] is head


def test_fused_candidates_are_taken_as_they_come() -> None:
    assert detection.candidates(FUSED, [rows(0.9)]).shape == (1, 6)


def test_plain_candidates_are_the_familys_business() -> None:
    head = np.zeros((6, 84), dtype=np.float16)
    head[:4, 3] = (10, 20, 30, 40)
    head[5, 3] = 0.5
    found = detection.candidates(PLAIN, [head])
    assert found.shape == (84, 6)
    assert found[3].tolist() == [10, 20, 30, 40, 0.5, 1]


@pytest.mark.parametrize(
    ("family", "shape"), [("yolov8", (84,)), ("yolov8", (4, 84)), ("yolox", (83, 7))]
)
def test_a_plain_head_of_another_shape_is_the_models_fault(
    family: str, shape: tuple[int, ...]
) -> None:
    model = msgspec.structs.replace(PLAIN, family=family)
    with pytest.raises(errors.ModelFailedError, match=f"a {family} head has the shape"):
        detection.candidates(model, [np.zeros(shape, dtype=np.float32)])


def test_a_yolox_size_beyond_floats_is_infinite_without_a_warning() -> None:
    model = msgspec.structs.replace(PLAIN, family="yolox")
    head = np.zeros((84, 7), dtype=np.float32)
    head[0, 2] = 1000.0
    assert np.isinf(detection.candidates(model, [head])[0, 2])
