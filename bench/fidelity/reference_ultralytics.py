"""Writes what Ultralytics' own predictors answer on the exported ONNX files."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
import ultralytics
from numpy.typing import NDArray
from ultralytics import RTDETR, YOLO
from ultralytics.engine.model import Model
from ultralytics.engine.results import Results

from bench.fidelity import answers, pictures, vision_ops

Bgr = pictures.Pixels


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata that the exporter left in an ONNX file."""
    loaded = onnx.load(str(path), load_external_data=False)
    return {entry.key: entry.value for entry in loaded.metadata_props}


class Reference:
    """One exported model behind Ultralytics' predictor."""

    def __init__(self, path: Path) -> None:
        metadata = read_metadata(path)
        self.task = metadata["task"]
        self.side = [int(side) for side in metadata["imgsz"].strip("[]").split(",")]
        stretched = metadata["head"] == "RTDETRDecoder"
        self.resize = "stretch" if stretched else "letterbox"
        self.model: Model = RTDETR(str(path)) if stretched else YOLO(str(path), task=self.task)

    def predict(self, picture: Bgr, confidence: float, native: bool = False) -> Results:
        """What the predictor says of one picture; `native` computes masks in its own pixels."""
        results: list[Results] = self.model.predict(
            picture,
            conf=confidence,
            iou=answers.IOU,
            max_det=answers.MOST,
            agnostic_nms=False,
            rect=False,
            imgsz=self.side,
            retina_masks=native,
            verbose=False,
        )
        return results[0]

    def parameters(self, confidence: float) -> answers.Json:
        """All that an answer depends on besides the file and the picture."""
        shared: answers.Json = {"ultralytics": ultralytics.__version__, "network": self.side}
        if self.task == "classify":
            return {**shared, "resize": "shorter side, centre crop", "antialias": True}
        choice = {"confidence": confidence, "iou": answers.IOU, "max_detections": answers.MOST}
        return {**shared, "resize": self.resize, "class_agnostic": False, **choice}


def objects(result: Results, native: Results | None) -> list[answers.Json]:
    """The found objects, best first as the predictor orders them.

    box is x1, y1, x2, y2 in pixels of the picture; mask is in pixels of the network's input,
    native_mask in those of the picture; keypoints are x, y, confidence.
    """
    found: list[answers.Json] = []
    for index, (x1, y1, x2, y2, score, kind) in enumerate(result.boxes.data.tolist()):
        name = result.names[int(kind)]
        each: answers.Json = {"class_id": int(kind), "class": name, "score": score}
        each["box"] = [x1, y1, x2, y2]
        if result.keypoints is not None:
            each["keypoints"] = result.keypoints.data[index].tolist()
        if result.masks is not None:
            each["mask"] = answers.run_lengths(result.masks.data[index].numpy() > 0)
        found.append(each)
    return found if native is None else with_native_masks(found, native)


def with_native_masks(found: list[answers.Json], native: Results) -> list[answers.Json]:
    """Add to each object its mask in pixels of the picture, null where that one is empty."""
    bitmaps = {} if native.masks is None else dict(enumerate(native.masks.data.numpy() > 0))
    known: dict[tuple[object, object], NDArray[np.bool_]] = {
        (row[4], int(row[5])): bitmaps[index]
        for index, row in enumerate(native.boxes.data.tolist())
    }
    for each in found:
        bitmap = known.get((each["score"], each["class_id"]))
        each["native_mask"] = None if bitmap is None else answers.run_lengths(bitmap)
    return found


def answer(reference: Reference, picture: Bgr, confidence: float) -> answers.Json:
    """The whole answer for one picture."""
    height, width = picture.shape[:2]
    made: answers.Json = {
        "task": reference.task,
        "width": width,
        "height": height,
        "parameters": reference.parameters(confidence),
    }
    result = reference.predict(picture, confidence)
    if reference.task == "classify":
        return {**made, "probabilities": result.probs.data.tolist()}
    segments = reference.task == "segment"
    native = reference.predict(picture, confidence, native=True) if segments else None
    return {**made, "objects": objects(result, native)}


def answer_all(package: Path, shown: dict[str, Bgr], folder: Path) -> str:
    """Answer every picture with one model; a line that says how it went."""
    reference = Reference(package / "1" / "weights.onnx")
    threshold, distance = 0.0, 1.0
    if reference.task != "classify":
        scores: list[float] = []
        for picture in shown.values():
            scores += reference.predict(picture, answers.EVERYTHING).boxes.conf.tolist()
        threshold, distance = answers.clear_threshold(scores)
    counts = []
    for name, picture in shown.items():
        made = answer(reference, picture, threshold)
        answers.save(folder, package.name, name, made)
        listed = made.get("objects", made.get("probabilities"))
        counts.append(len(listed) if isinstance(listed, list) else 0)
    return answers.summary(package.name, threshold, distance, counts)


def main() -> None:
    """Answer with every package whose ONNX file Ultralytics wrote, or with the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vision_ops.load()
    shown = pictures.read(options.pictures)
    for path in sorted(options.models.glob("*/1/weights.onnx")):
        package = path.parent.parent
        wanted = not options.names or package.name in options.names
        if wanted and "imgsz" in read_metadata(path):
            print(answer_all(package, shown, options.reference), flush=True)


if __name__ == "__main__":
    main()
