"""Outputs of real exports, and what the tools that trained them make of the same picture.

The files are made by ``bench/fidelity/freeze.py``; a difference here is one that a client sees.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import messages, spec, tasks
from parallax.models.families import base, registry
from parallax.vision import geometry
from tests.stages.post import scenes
from tests.support import coco

FOLDER = Path(__file__).parents[2] / "support" / "frozen"
CASES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
DETECTORS = [name for name, case in CASES.items() if "objects" in case]
SEGMENTERS = [name for name in DETECTORS if CASES[name]["task"] == tasks.INSTANCE_SEGMENTATION]
POSES = [name for name in DETECTORS if CASES[name]["task"] == tasks.KEYPOINT_DETECTION]
CLASSIFIERS = [name for name, case in CASES.items() if "probabilities" in case]
SCENES = [name for name, case in CASES.items() if "classes" in case]

Json = dict[str, Any]
Outputs = list[NDArray[Any]]


def outputs_of(name: str) -> Outputs:
    """Return the outputs in the file's order, with the batch axis."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:  # noqa: TID251
        return [file[f"output{index}"] for index in range(len(file.files))]


def family_of(case: Json) -> base.Family:
    return next(f for f in registry.FAMILIES if (f.name, f.task) == (case["family"], case["task"]))


def served(case: Json, outputs: Outputs) -> spec.ModelSpec:
    """Return the description of the model, its head read off the outputs' shapes."""
    width, height = case["network"]
    family = family_of(case)
    known = msgspec.convert({**case["known"], "classes": len(case["labels"])}, spec.Layout)
    layout = family.recognise([each.shape for each in outputs], (width, height), known)
    assert layout is not None
    return msgspec.structs.replace(
        scenes.DETECTOR,
        task=case["task"],
        family=case["family"],
        labels=tuple(case["labels"]),
        input=spec.InputSpec(width, height, case["resize"]),
        fused=False,
        plain=spec.PlainInput(),
        layout=layout,
        suppress=family.suppress,
    )


def wanted(case: Json) -> messages.Params:
    match case["task"]:
        case tasks.CLASSIFICATION:
            return messages.ClassificationParams(confidence=0.0)
        case tasks.SEMANTIC_SEGMENTATION:
            return messages.SemanticParams(confidence=0.0)
        case tasks.INSTANCE_SEGMENTATION:
            thresholds = (case["confidence"], case["iou_threshold"])
            return messages.SegmentationParams(*thresholds, mask_format="rle")
        case tasks.KEYPOINT_DETECTION:
            return messages.KeypointParams(case["confidence"], case["iou_threshold"])
        case _:
            return messages.DetectionParams(case["confidence"], case["iou_threshold"])


def answered(name: str) -> Json:
    """Return our answer to a case."""
    case, outputs = CASES[name], outputs_of(name)
    model = served(case, outputs)
    width, height = case["size"]
    _, placed = geometry.fit(width, height, model.input)
    return scenes.answer([each[0] for each in outputs], model, wanted(case), placed)


def corners(one: Json) -> list[float]:
    x, y, w, h = (one[key] for key in ("x", "y", "width", "height"))
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def pairs(name: str) -> list[tuple[Json, Json]]:
    """Return our objects beside the reference's: by class, then from left to right."""
    ours = sorted(answered(name)["predictions"], key=lambda one: (one["class_id"], one["x"]))
    theirs = sorted(
        CASES[name]["objects"], key=lambda one: (one["class_id"], one["box"][0] + one["box"][2])
    )
    return list(zip(ours, theirs, strict=True))


def overlap(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float((a & b).sum() / (a | b).sum())


def test_there_is_a_case_for_every_family() -> None:
    covered = {case["family"].removesuffix(registry.DECODED_SUFFIX) for case in CASES.values()}
    assert covered == set(registry.names())


@pytest.mark.parametrize("name", DETECTORS)
def test_objects_are_those_of_the_reference(name: str) -> None:
    found = pairs(name)
    assert found
    assert [a["class_id"] for a, _ in found] == [b["class_id"] for _, b in found]
    for ours, theirs in found:
        np.testing.assert_allclose(corners(ours), theirs["box"], rtol=0, atol=0.2)
        assert ours["confidence"] == pytest.approx(theirs["score"], abs=0.01)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_masks_are_those_of_the_reference(name: str) -> None:
    for ours, theirs in pairs(name):
        assert overlap(coco.decode(ours["rle"]), coco.decode(theirs["native_mask"])) > 0.98


@pytest.mark.parametrize("name", POSES)
def test_keypoints_are_those_of_the_reference(name: str) -> None:
    for ours, theirs in pairs(name):
        points = [[point[key] for key in ("x", "y", "confidence")] for point in ours["keypoints"]]
        expected = np.array(theirs["keypoints"])
        np.testing.assert_allclose(np.array(points)[:, :2], expected[:, :2], rtol=0, atol=0.2)
        np.testing.assert_allclose(np.array(points)[:, 2], expected[:, 2], rtol=0, atol=0.01)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_those_of_the_reference(name: str) -> None:
    given = {one["class_id"]: one["confidence"] for one in answered(name)["predictions"]}
    expected = dict(enumerate(CASES[name]["probabilities"]))
    assert given == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", SCENES)
def test_regions_are_those_of_the_reference(name: str) -> None:
    """The reference enlarges logits and we enlarge classes, so that edges differ by a pixel."""
    mask = base64.b64decode(answered(name)["predictions"]["segmentation_mask"])
    ours = np.asarray(Image.open(io.BytesIO(mask)))
    for label, runs in CASES[name]["classes"].items():
        theirs = coco.decode(runs)
        assert overlap((ours == CASES[name]["labels"].index(label)).astype(np.uint8), theirs) > 0.9
