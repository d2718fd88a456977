"""The work of a detection request, the same for every server that is compared.

Written as somebody would who knows OpenCV, NumPy and ONNX Runtime: no loop over pixels or anchors,
no copy that is not needed, and every step uses one thread, because there is a process or thread per
core. Parameters are those of Roboflow's requests: boxes from a score of 0.4 on, of which those of a
class that overlap by more than 0.3 are one.
"""

import ast
import uuid
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

CONFIDENCE, IOU, MOST = 0.4, 0.3, 300
_GREY = 114


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies in the network's input."""

    width: int
    """Of the picture, pixels; so is the height."""
    height: int
    scale: float
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be known of a network without running it."""

    side: int
    """Of its square input, pixels."""
    labels: list[str]


class Network:
    """A detector with a head as YOLOv8 has it."""

    def __init__(self, path: Path) -> None:
        cv2.setNumThreads(1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(path, options, providers=providers)
        self._name = self._session.get_inputs()[0].name
        names = ast.literal_eval(self._session.get_modelmeta().custom_metadata_map["names"])
        self.facts = Facts(self._session.get_inputs()[0].shape[-1], list(names.values()))

    def __call__(self, jpeg: bytes) -> bytes:
        """Return the answer to a picture: all steps, one after the other."""
        pixels, place = prepare(jpeg, self.facts.side)
        return answer(self.candidates(pixels), place, self.facts.labels)

    def candidates(self, pixels: Pixels) -> Floats:
        """Return the rows over the threshold: centre x, centre y, width, height, score, class."""
        blob = cv2.dnn.blobFromImage(pixels, 1 / 255, swapRB=True)
        (output,) = self._session.run(None, {self._name: blob})
        scores = output[0, 4:]
        best = scores.max(axis=0)
        (kept,) = np.nonzero(best >= CONFIDENCE)
        classes = scores[:, kept].argmax(axis=0).astype(np.float32)
        return np.column_stack([output[0, :4, kept], best[kept], classes])


def prepare(jpeg: bytes, side: int) -> tuple[Pixels, Place]:
    """Decode all of a picture and letterbox it: uint8 BGR, (side, side, 3).

    Raises:
        ValueError: not a picture.
    """
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("not a picture")
    height, width = picture.shape[:2]
    scale = min(side / width, side / height)
    across, down = round(width * scale), round(height * scale)
    left, top = (side - across) // 2, (side - down) // 2
    out = np.full((side, side, 3), _GREY, np.uint8)
    inside = out[top : top + down, left : left + across]
    inside[:] = cv2.resize(picture, (across, down), interpolation=cv2.INTER_LINEAR)
    return out, Place(width, height, scale, left, top)


def answer(rows: Floats, place: Place, labels: list[str]) -> bytes:
    """Suppress what overlaps, and write the answer in Roboflow's form."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
    kept = _suppress(corners, rows[:, 5])
    pads = np.array([place.left, place.top] * 2, np.float32)
    limits = np.array([place.width, place.height] * 2, np.float32)
    boxes = np.clip((corners[kept] - pads) / place.scale, 0, limits).astype(np.float64)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    numbers = np.concatenate([middles, boxes[:, 2:] - boxes[:, :2]], axis=1).round(2).tolist()
    scores = rows[kept, 4].astype(np.float64).round(5).tolist()
    classes = rows[kept, 5].astype(int).tolist()
    predictions = [
        {
            "x": x,
            "y": y,
            "width": width,
            "height": height,
            "confidence": score,
            "class": labels[class_id],
            "class_id": class_id,
            "detection_id": str(uuid.uuid4()),
        }
        for (x, y, width, height), score, class_id in zip(numbers, scores, classes, strict=True)
    ]
    size = {"width": place.width, "height": place.height}
    return orjson.dumps(
        {"inference_id": str(uuid.uuid4()), "image": size, "predictions": predictions}
    )


def _suppress(corners: Floats, classes: Floats) -> list[int]:
    """Return which boxes, best first, overlap no better one of their class (greedy)."""
    sizes = np.clip(corners[:, 2:] - corners[:, :2], 0, None)
    areas = sizes[:, 0] * sizes[:, 1]
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    overlap = shared > IOU * (areas[:, None] + areas[None, :] - shared)
    overlap &= classes[:, None] == classes[None, :]
    alive = np.ones(len(corners), bool)
    kept: list[int] = []
    for index in range(len(corners)):
        if alive[index] and len(kept) < MOST:
            kept.append(index)
            alive &= ~overlap[index]
    return kept
