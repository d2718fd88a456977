"""Writes reference answers for the ONNX files that Ultralytics' predictors do not take.

The network runs in ONNX Runtime; what is before and after it is written out in `views` and
`decoders` with OpenCV, torch and torchvision, and shares nothing with the server that is compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional

from bench.fidelity import answers, decoders, pictures, views


def written(found: decoders.Found, names: list[str]) -> list[answers.Json]:
    """Objects as they are saved; a mask is in pixels of the picture."""
    listed: list[answers.Json] = []
    for index, kind in enumerate(found.classes.tolist()):
        each: answers.Json = {"class_id": kind, "class": names[kind]}
        each |= {"score": float(found.scores[index]), "box": found.boxes[index].tolist()}
        each |= {key: float(values[index]) for key, values in found.more.items()}
        if found.masks is not None:
            each["native_mask"] = answers.run_lengths(found.masks[index].numpy())
        listed.append(each)
    return listed


def segmented(logits: Tensor, view: views.View, names: list[str]) -> answers.Json:
    """Logits [1, C, h, w] brought to the picture's size; the best class of each pixel.

    A mask of every class, and the mean over the picture of the best class's probability.
    """
    sized = functional.interpolate(logits, view.size, mode="bilinear", align_corners=False)[0]
    best = sized.softmax(dim=0).max(dim=0)
    present = {
        names[kind]: answers.run_lengths((best.indices == kind).numpy())
        for kind in best.indices.unique().tolist()
    }
    return {"classes": present, "mean_confidence": float(best.values.mean())}


DETECTORS: dict[str, tuple[views.Viewer, decoders.Decoder, str]] = {
    "yolov5": (views.letterboxed, decoders.yolov5, "letterbox"),
    "yolo-nas": (views.letterboxed, decoders.yolo_nas, "letterbox"),
    "yolox": (views.cornered, decoders.yolox, "letterbox in the upper left corner"),
    "rf-detr": (views.stretched_as_floats, decoders.rf_detr, "stretch of floats"),
}


class Network:
    """An ONNX file in ONNX Runtime, with the family and names of its package."""

    def __init__(self, package: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = str(package / "1" / "weights.onnx")
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self.family = (package / "family.txt").read_text().strip()
        self.names = (package / "1" / "class_names.txt").read_text().split("\n")
        shape = self.session.get_inputs()[0].shape
        self.side: views.Side = (int(shape[2]), int(shape[3]))

    def run(self, view: views.View) -> list[Tensor]:
        """The outputs in the file's order."""
        name = self.session.get_inputs()[0].name
        return [
            torch.from_numpy(out) for out in self.session.run(None, {name: view.tensor.numpy()})
        ]


def detect_all(network: Network, shown: dict[str, views.Bgr], folder: Path, model: str) -> str:
    """Answer every picture with a detector."""
    viewed, decode, resize = DETECTORS[network.family]
    views = {name: viewed(picture, network.side) for name, picture in shown.items()}
    outputs = {name: network.run(view) for name, view in views.items()}
    every = [decode(outputs[name], views[name], answers.EVERYTHING) for name in views]
    threshold, distance = answers.clear_threshold(torch.cat([e.scores for e in every]).tolist())
    counts = []
    for name, view in views.items():
        listed = written(decode(outputs[name], view, threshold), network.names)
        counts.append(len(listed))
        choice = {"confidence": threshold, "iou": answers.IOU, "max_detections": answers.MOST}
        parameters = {"network": network.side, "resize": resize, "class_agnostic": False, **choice}
        task = "segment" if listed and "native_mask" in listed[0] else "detect"
        made: answers.Json = {"task": task, "parameters": parameters, "objects": listed}
        answers.save(folder, model, name, {**sizes(view), **made})
    return answers.summary(model, threshold, distance, counts)


def sizes(view: views.View) -> answers.Json:
    """Width and height of the picture."""
    return {"width": view.size[1], "height": view.size[0]}


def name_all(network: Network, shown: dict[str, views.Bgr], folder: Path, model: str) -> str:
    """Answer every picture with a classifier or a semantic segmenter."""
    counts = []
    for name, picture in shown.items():
        view = (views.HALF if network.family == "vit" else views.IMAGENET)(picture, network.side)
        logits = network.run(view)[0]
        parameters = {"network": network.side, "resize": "stretch"}
        made: answers.Json = {**sizes(view), "parameters": parameters}
        if network.family == "deeplab":
            made |= {"task": "semantic", **segmented(logits, view, network.names)}
            counts.append(len(made["classes"]) if isinstance(made["classes"], dict) else 0)
        else:
            probabilities = logits[0].softmax(dim=0)
            made |= {"task": "classify", "probabilities": probabilities.tolist()}
            counts.append(int(probabilities.argmax()))
        answers.save(folder, model, name, made)
    return f"{model}: classes {counts}"


def main() -> None:
    """Answer with every package that has `class_names.txt`, or with the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shown = pictures.read(options.pictures)
    for path in sorted(options.models.glob("*/1/class_names.txt")):
        package = path.parent.parent
        if options.names and package.name not in options.names:
            continue
        network = Network(package)
        answer = detect_all if network.family in DETECTORS else name_all
        print(answer(network, shown, options.reference, package.name), flush=True)


if __name__ == "__main__":
    main()
