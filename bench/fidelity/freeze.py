"""Writes what networks put out for one picture, and the reference's answer, as small test files.

    python -m bench.fidelity.freeze MODELS PICTURES REFERENCES tests/support/frozen

Runs where parallax is installed and needs none of the reference's tools. ``NAME.npz`` holds the raw
outputs of ONNX Runtime in the file's order, ``NAME.json`` the rest. What cannot matter to the
answer is set to zero, so that the files are small: rows that score less than 0.05, prototypes
away from every object. Maps are kept as float16; boxes and scores as they are.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from parallax.contract import messages, spec
from parallax.contract.decoding import Decoding
from parallax.models import discovery, package, plain, resolve
from parallax.stages import pre

Array = NDArray[Any]
Json = dict[str, Any]

USUAL = "scene-portrait"
CASES = {
    **dict.fromkeys(("yolov8n", "yolov8n-seg", "yolov8n-pose", "yolov8n-cls"), USUAL),
    **dict.fromkeys(("yolo26n", "yolo26n-seg", "yolo26n-pose"), USUAL),
    "yolo11n-256x320": "scene-wide",
    **dict.fromkeys(("yolov5n", "yolov5n-seg", "yolo-nas", "yolox"), USUAL),
    **dict.fromkeys(("rtdetr", "rf-detr", "rf-detr-seg"), USUAL),
    **dict.fromkeys(("resnet18", "vit", "deeplab"), USUAL),
}
"""Model and picture."""
LOW = 0.05
MARGIN = 3
"""Cells of a prototype around a box that may weigh on its mask."""
MAX_PIXELS = 10_000_000


@dataclass(frozen=True)
class Run:
    """A model, and what it put out for a picture (with the batch axis)."""

    model: resolve.Resolved
    outputs: list[Array]
    placed: messages.Geometry


def main() -> None:
    """Freeze every case, or the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("models", "pictures", "references", "target"):
        parser.add_argument(name, type=Path)
    parser.add_argument("names", nargs="*")
    wanted = parser.parse_args()
    places = discovery.find(wanted.models)
    fit = [place for place in places if isinstance(place, package.Found)]
    found = {place.id.partition("/")[0]: place for place in fit}
    for name in wanted.names or CASES:
        picture = CASES[name]
        made = run(found[name], (wanted.pictures / f"{picture}.png").read_bytes())
        said = json.loads((wanted.references / name / f"{picture}.json").read_text())
        case = described(made, said)
        arrays = {f"output{index}": each for index, each in enumerate(small(made, case))}
        np.savez_compressed(wanted.target / f"{name}.npz", allow_pickle=False, **arrays)
        (wanted.target / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n")


def run(entry: package.Found, picture: bytes) -> Run:
    """Return what a network puts out for a picture."""
    opened = package.read(entry)
    model = resolve.resolve(opened)
    pixels = np.empty((model.input.height, model.input.width, 3), np.uint8)
    options = messages.ImageOptions()
    placed = pre.prepare(picture, options, model.input, MAX_PIXELS, pixels, Decoding.EXACT)
    session = onnxruntime.InferenceSession(
        str(opened.network.path), providers=["CPUExecutionProvider"]
    )
    feed = plain.to_network_input(pixels[None], model.pixels)
    outputs = session.run(None, {session.get_inputs()[0].name: feed})
    return Run(model, [np.array(output) for output in outputs], placed)


def described(made: Run, said: Json) -> Json:
    """Return all but the outputs: the model, the picture's size, and the reference's answer."""
    model, asked = made.model, said["parameters"]
    layout, target = model.head.layout, model.input
    known = {
        "keypoints": layout.keypoints,
        "keypoint_values": layout.keypoint_values,
        "activation": layout.activation,
    }
    case: Json = {
        "family": model.head.family.name,
        "task": model.head.family.task,
        "labels": model.labels,
        "network": [target.width, target.height],
        "resize": target.resize,
        "known": known,
        "size": [said["width"], said["height"]],
        "confidence": asked.get("confidence", 0.0),
        "iou_threshold": asked.get("iou", 0.5),
    }
    for key in ("probabilities", "classes"):
        if key in said:
            case[key] = said[key]
    if "objects" in said:
        case["objects"] = [kept(one, case["size"]) for one in said["objects"]]
    return case


def kept(one: Json, size: list[int]) -> Json:
    """Return what is compared of an object; not every reference clips its boxes."""
    box = np.clip(one["box"], 0, [*size, *size]).round(3).tolist()
    fields: Json = {key: one[key] for key in ("keypoints", "native_mask") if key in one}
    return {"class_id": one["class_id"], "score": one["score"], "box": box, **fields}


def small(made: Run, case: Json) -> list[Array]:
    """Return the outputs without what cannot matter."""
    layout, family = made.model.head.layout, made.model.head.family.name
    low = lacking(family, layout, [made.outputs[index] for index in layout.order])
    thin = thin_map if family == "rf-detr" else thin_prototypes
    return [
        thin(each, made, case, low) if each.ndim == 4 else thin_rows(each, family, low)
        for each in made.outputs
    ]


def thin_rows(output: Array, family: str, low: NDArray[np.bool_]) -> Array:
    """Return an output with the low rows set to zero, where zeros are a low row."""
    if family == "yolov8" and output.ndim == 3:
        output.transpose(0, 2, 1)[low] = 0
    elif family in ("yolov5", "yolox", "yolo-nas", "yolo26"):
        output[low] = 0
    return output


def thin_map(output: Array, _made: Run, _case: Json, low: NDArray[np.bool_]) -> Array:
    """Return the maps of rows, those of low rows set to zero."""
    output[low] = 0
    return output.astype(np.float16)


def thin_prototypes(output: Array, made: Run, case: Json, _low: NDArray[np.bool_]) -> Array:
    """Return what covers the picture; prototypes are set to zero away from every object."""
    if "objects" in case:
        output[:, :, ~near(made, case, output.shape[2:])] = 0
    return output.astype(np.float16)


def lacking(family: str, layout: spec.Layout, outputs: list[Array]) -> NDArray[np.bool_]:
    """Return (1, A): which rows score too little to be seen in any answer."""
    rows, classes = outputs[0], layout.classes
    scores: Array
    match family:
        case "yolov8" if rows.ndim == 3:
            scores = rows[:, 4 : 4 + classes].max(axis=1)
        case "yolov5" | "yolox":
            scores = rows[..., 4] * rows[..., 5 : 5 + classes].max(axis=2)
        case "yolo-nas":
            scores = outputs[1].max(axis=2)
        case "rf-detr":
            scores = 1 / (1 + np.exp(-outputs[1].max(axis=2)))
        case "yolo26":
            scores = rows[..., 4]
        case _:
            return np.zeros(rows.shape[:2], np.bool_)
    lowest: NDArray[np.bool_] = scores < LOW
    return lowest


def near(made: Run, case: Json, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return (h, w): which cells of the prototypes are in or beside an object's box."""
    inside = np.zeros(shape, np.bool_)
    placed, target = made.placed, made.model.input
    scale = np.array([placed.scale_x, placed.scale_y] * 2)
    pads = np.array([placed.pad_x, placed.pad_y] * 2)
    cells = np.array([shape[1] / target.width, shape[0] / target.height] * 2)
    for one in case["objects"]:
        x1, y1, x2, y2 = ((np.array(one["box"]) * scale + pads) * cells).astype(int)
        rows = slice(max(y1 - MARGIN, 0), y2 + MARGIN + 1)
        inside[rows, max(x1 - MARGIN, 0) : x2 + MARGIN + 1] = True
    return inside


if __name__ == "__main__":
    main()
