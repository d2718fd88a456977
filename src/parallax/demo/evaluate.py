"""How good a detector is on demo scenes: mean average precision, and a detector run in process.

The score is one pure function, so that detections which came over HTTP and detections made here
are judged by the same code. The rest is plain numpy on purpose: it shares nothing with the
server, so a fault in the server's own letterbox, decoding or suppression shows as a lower score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.demo.scenes import NAMES, Box, generate

INPUT_SIZE = 320
GREY = 114

Detection = Mapping[str, Any]
Floats = NDArray[np.float32]
Forward = Callable[[Floats], Floats]


def mean_average_precision(
    truths: Sequence[Sequence[Box]],
    detections: Sequence[Sequence[Detection]],
    iou: float = 0.5,
) -> tuple[float, dict[str, float]]:
    """Mean over classes of the average precision at one IoU threshold, and that of each class.

    `truths` and `detections` are parallel, one entry a picture. A detection is a mapping with
    `x`, `y` (centre), `width`, `height` in pixels of the picture, `confidence` and `class` (the
    label). Classes without a truth are left out of the mean; without any truth it is 0.0.

    As in COCO (pycocotools, cocoeval.py, one IoU threshold, all areas): within a class,
    detections in order of falling confidence each take the best still unmatched truth of their
    picture, if its IoU reaches the threshold; precision is made non-increasing in recall and
    averaged at the 101 recalls 0.00, 0.01 ... 1.00. COCO's cap of 100 detections a picture is
    not applied.
    """
    if len(truths) != len(detections):
        raise ValueError(f"{len(truths)} pictures of truths, {len(detections)} of detections")
    labels = sorted({box.label for boxes in truths for box in boxes})
    per_class = {label: _average_precision(label, truths, detections, iou) for label in labels}
    mean = sum(per_class.values()) / len(per_class) if per_class else 0.0
    return mean, per_class


def best_confidence(
    truths: Sequence[Sequence[Box]], detections: Sequence[Sequence[Detection]]
) -> float:
    """The confidence from which on keeping detections gives the best F1 score at IoU 0.5."""
    scored: list[tuple[float, bool]] = []
    for boxes, found in zip(truths, detections, strict=True):
        for label in {one["class"] for one in found}:
            mine = [box for box in boxes if box.label == label]
            scored += _match(mine, [one for one in found if one["class"] == label], 0.5)
    scored.sort(key=lambda pair: -pair[0])
    hits = np.cumsum([hit for _, hit in scored], dtype=np.float64)
    total = sum(len(boxes) for boxes in truths)
    # F1 is twice the hits over detections kept plus truths.
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    return scored[int(f1.argmax())][0]


def _average_precision(
    label: str,
    truths: Sequence[Sequence[Box]],
    detections: Sequence[Sequence[Detection]],
    iou: float,
) -> float:
    total = sum(box.label == label for boxes in truths for box in boxes)
    scored: list[tuple[float, bool]] = []
    for boxes, found in zip(truths, detections, strict=True):
        mine = [box for box in boxes if box.label == label]
        scored += _match(mine, [one for one in found if one["class"] == label], iou)
    scored.sort(key=lambda pair: -pair[0])
    hits = np.cumsum([hit for _, hit in scored], dtype=np.float64)
    recall = hits / total
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.append(envelope, 0.0)[at].mean())


def _match(
    truths: list[Box], detections: list[Detection], threshold: float
) -> list[tuple[float, bool]]:
    """Confidence of every detection of one class in one picture, and whether it found a truth."""
    outcome = []
    unmatched = list(truths)
    for one in sorted(detections, key=lambda each: -float(each["confidence"])):
        best = max(unmatched, key=lambda box: _overlap(box, one), default=None)
        hit = best is not None and _overlap(best, one) >= threshold
        if hit and best is not None:
            unmatched.remove(best)
        outcome.append((float(one["confidence"]), hit))
    return outcome


def _overlap(box: Box, one: Detection) -> float:
    half_width, half_height = one["width"] / 2, one["height"] / 2
    wide = min(box.x2, one["x"] + half_width) - max(box.x1, one["x"] - half_width)
    tall = min(box.y2, one["y"] + half_height) - max(box.y1, one["y"] - half_height)
    if wide <= 0 or tall <= 0:
        return 0.0
    both = wide * tall
    area = (box.x2 - box.x1) * (box.y2 - box.y1)
    return float(both / (area + one["width"] * one["height"] - both))


def letterbox(image: Image.Image) -> tuple[NDArray[np.uint8], float, int, int]:
    """Fit a picture into the network's square: bilinear, centred, the rest grey.

    Returns uint8 [320, 320, 3], the scale (network pixels for a pixel of the picture), and the
    left and top margins in network pixels.
    """
    scale = min(INPUT_SIZE / image.width, INPUT_SIZE / image.height)
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = (INPUT_SIZE - width) // 2, (INPUT_SIZE - height) // 2
    square = np.full((INPUT_SIZE, INPUT_SIZE, 3), GREY, dtype=np.uint8)
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    square[top : top + height, left : left + width] = np.asarray(small)
    return square, scale, left, top


def detect(
    forward: Forward, image: Image.Image, confidence: float = 0.01, iou: float = 0.5
) -> list[dict[str, Any]]:
    """Detections of one RGB picture, in the form `mean_average_precision` takes, best first.

    `forward` maps images float32 [1, 3, 320, 320] in 0..1 to float32 [1, 4 + classes, boxes];
    `iou` is that of the suppression, done within each class.
    """
    square, scale, left, top = letterbox(image)
    batch = square.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    output = forward(batch)[0].T
    classes = output[:, 4:].argmax(axis=1)
    scores = output[:, 4:].max(axis=1)
    kept = _suppress(output[:, :4], scores, classes, confidence, iou)
    return [
        {
            "x": float((output[index, 0] - left) / scale),
            "y": float((output[index, 1] - top) / scale),
            "width": float(output[index, 2] / scale),
            "height": float(output[index, 3] / scale),
            "confidence": float(scores[index]),
            "class": NAMES[int(classes[index])],
        }
        for index in kept
    ]


def _suppress(
    boxes: Floats, scores: Floats, classes: NDArray[np.intp], confidence: float, iou: float
) -> list[int]:
    """Greedy non-maximum suppression of (cx, cy, w, h) boxes; indices kept, best score first."""
    # Boxes of different classes are moved far apart, so one pass serves all classes.
    apart = classes[:, None].astype(np.float32) * np.float32(4 * INPUT_SIZE)
    low = boxes[:, :2] - boxes[:, 2:] / 2 + apart
    high = low + boxes[:, 2:]
    area = boxes[:, 2] * boxes[:, 3]
    queue = np.argsort(-scores, kind="stable")
    queue = queue[scores[queue] >= confidence]
    kept: list[int] = []
    while queue.size:
        first, rest = int(queue[0]), queue[1:]
        kept.append(first)
        sides = np.minimum(high[first], high[rest]) - np.maximum(low[first], low[rest])
        both = np.clip(sides, 0, None).prod(axis=1)
        queue = rest[both <= iou * (area[first] + area[rest] - both)]
    return kept


def score(forward: Forward, seeds: Iterable[int]) -> tuple[float, dict[str, float]]:
    """mAP at IoU 0.5, and per class, of a detector over the scenes of some seeds."""
    scenes = [generate(seed) for seed in seeds]
    found = [detect(forward, scene.image) for scene in scenes]
    return mean_average_precision([scene.boxes for scene in scenes], found)
