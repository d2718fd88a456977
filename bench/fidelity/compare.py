"""Holds our HTTP answers against reference answers for the same ONNX files and pictures.

    python bench/fidelity/compare.py --models DIR --pictures DIR --references DIR [--decode fast]

``--models`` has one package per model (``NAME/1/weights.onnx``), ``--references`` one folder per
model with a JSON file per picture, as the reference scripts write them. A server is started on the
packages, each picture is sent as the scripts saw it, objects are matched by class and overlap, and
a table says how far apart the two sides are. Reference boxes are clipped to the picture first,
because not every reference does so (RT-DETR's does not).
"""

import argparse
import base64
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

PORT = 9337
ROUTES = {
    "object-detection": "object_detection",
    "instance-segmentation": "instance_segmentation",
    "keypoint-detection": "keypoints_detection",
    "classification": "classification",
    "semantic-segmentation": "semantic_segmentation",
}
MATCH = 0.5
"""Least overlap of two boxes of one class that may be the same object."""


@dataclass
class Row:
    """How far apart the two sides are for one model, the worst over all pictures."""

    objects: int = 0
    unmatched: int = 0
    box: float = 0.0
    score: float = 0.0
    mask: list[float] = field(default_factory=list)
    keypoint: float = 0.0


def main() -> int:
    """Compare all models and print the table; exit code 1 when an object has no partner."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("models", "pictures", "references"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--decode", choices=("exact", "fast"), default="exact")
    wanted = parser.parse_args()
    rows: dict[str, Row] = {}
    with serving(wanted.models, wanted.decode):
        tasks = served()
        for folder in sorted(path for path in wanted.references.iterdir() if path.is_dir()):
            row = rows[folder.name] = Row()
            for file in sorted(folder.glob("*.json")):
                picture = (wanted.pictures / f"{file.stem}.png").read_bytes()
                compare(json.loads(file.read_text()), tasks[f"{folder.name}/1"], picture, row)
    show(rows)
    return 1 if any(row.unmatched for row in rows.values()) else 0


def show(rows: dict[str, Row]) -> None:
    """Print the table."""
    heads = ("model", "objects", "unmatched", "box, px", "score", "mask IoU", "keypoint, px")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, row in rows.items():
        masks = f"{min(row.mask):.3f} / {np.mean(row.mask):.3f}" if row.mask else ""
        keypoint = f"{row.keypoint:.2f}" if row.keypoint else ""
        print(
            f"| {name} | {row.objects} | {row.unmatched} | {row.box:.2f} | {row.score:.4f} "
            f"| {masks} | {keypoint} |"
        )


@contextlib.contextmanager
def serving(models: Path, decode: str) -> Iterator[None]:
    """Run a server on the packages."""
    with tempfile.TemporaryDirectory() as cache:
        command = [
            *(sys.executable, "-m", "parallax", "serve", "--models", str(models)),
            *("--port", str(PORT), "--redis-port", "0", "--cpu-workers", "2"),
            *("--decode", decode, "--cache-dir", cache),
        ]
        with subprocess.Popen(command) as server:
            try:
                while not ready():
                    if server.poll() is not None:
                        raise SystemExit("the server ended")
                    time.sleep(0.5)
                yield
            finally:
                server.terminate()


def ready() -> bool:
    """Ask the server whether it can answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readiness", timeout=5):
            return True
    except OSError:
        return False


def served() -> dict[str, str]:
    """Return the task of each model."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/model/registry", timeout=10) as response:
        return {entry["model_id"]: entry["task_type"] for entry in json.load(response)["models"]}


def compare(reference: dict[str, Any], task: str, picture: bytes, row: Row) -> None:
    """Compare one picture's answers."""
    answer = ask(reference, task, picture)
    if task == "classification":
        given = dict.fromkeys(range(len(reference["probabilities"])), 0.0)
        given |= {entry["class_id"]: entry["confidence"] for entry in answer["predictions"]}
        row.objects += 1
        for index, probability in enumerate(reference["probabilities"]):
            row.score = max(row.score, abs(given[index] - probability))
        return
    if task == "semantic-segmentation":
        compare_classes(reference, answer, row)
        return
    ours = list(answer["predictions"])
    for theirs in reference["objects"]:
        theirs["box"] = clipped(theirs["box"], reference["width"], reference["height"])
        row.objects += 1
        partner = best(theirs, ours)
        if partner is None:
            row.unmatched += 1
            continue
        ours.remove(partner)
        measure(theirs, partner, row)
    row.unmatched += len(ours)


def ask(reference: dict[str, Any], task: str, picture: bytes) -> dict[str, Any]:
    """Send one picture with the thresholds that the reference used."""
    said = reference["parameters"]
    call = {
        "model_id": f"{reference['model']}/1",
        "image": {"type": "base64", "value": base64.b64encode(picture).decode()},
        "confidence": said.get("confidence", 0.0),
        "iou_threshold": said.get("iou", 0.5),
        "max_detections": said.get("max_detections", 300),
        "class_agnostic_nms": said.get("class_agnostic", False),
    }
    if task == "instance-segmentation":
        call["response_mask_format"] = "rle"
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/infer/{ROUTES[task]}",
        json.dumps(call).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            found: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as problem:
        raise SystemExit(f"{call['model_id']}: {problem.read().decode()}") from problem
    return found


def clipped(box: list[float], width: int, height: int) -> list[float]:
    """Return x1, y1, x2, y2 inside the picture."""
    limits = (width, height, width, height)
    return [min(max(side, 0.0), limit) for side, limit in zip(box, limits, strict=True)]


def corners(prediction: dict[str, Any]) -> NDArray[np.float64]:
    """Return x1, y1, x2, y2 of one of our predictions."""
    x, y, w, h = (prediction[key] for key in ("x", "y", "width", "height"))
    return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared
    return shared / union if union > 0 else 0.0


def best(theirs: dict[str, Any], ours: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return our prediction of the same class that overlaps most, if any does enough."""
    box = np.array(theirs["box"])
    same = [one for one in ours if one["class_id"] == theirs["class_id"]]
    partner = max(same, key=lambda one: overlap(corners(one), box), default=None)
    if partner is None or overlap(corners(partner), box) < MATCH:
        return None
    return partner


def measure(theirs: dict[str, Any], ours: dict[str, Any], row: Row) -> None:
    """Take one pair of objects into account."""
    row.box = max(row.box, float(np.abs(corners(ours) - theirs["box"]).max()))
    row.score = max(row.score, abs(ours["confidence"] - theirs["score"]))
    if "native_mask" in theirs:
        pair = [as_bytes(mask) for mask in (theirs["native_mask"], ours["rle"])]
        row.mask.append(float(coco.iou(pair[:1], pair[1:], [0])[0][0]))
    points = {point["class_id"]: point for point in ours.get("keypoints", ())}
    for index, (x, y, _) in enumerate(theirs.get("keypoints", ())):
        if index in points:
            apart = max(abs(points[index]["x"] - x), abs(points[index]["y"] - y))
            row.keypoint = max(row.keypoint, apart)


def as_bytes(mask: dict[str, Any]) -> dict[str, Any]:
    """Return run lengths as pycocotools reads them."""
    return {**mask, "counts": mask["counts"].encode()}


def compare_classes(reference: dict[str, Any], answer: dict[str, Any], row: Row) -> None:
    """Compare the class of each pixel; the IoU of each class stands in the mask column."""
    data = base64.b64decode(answer["predictions"]["segmentation_mask"])
    ours = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    names = answer["predictions"]["class_map"]
    for class_id, name in names.items():
        mine = np.equal(ours, int(class_id)).astype(np.uint8)
        theirs = np.zeros_like(mine)
        if name in reference["classes"]:
            theirs = coco.decode(as_bytes(reference["classes"][name]))
        union = float((theirs | mine).sum())
        if union:
            row.objects += 1
            row.mask.append(float((theirs & mine).sum()) / union)


if __name__ == "__main__":
    sys.exit(main())
