"""Writes the taught networks of Ultralytics as model packages, with Ultralytics' own exporter."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from ultralytics.engine.model import Model

from bench.fidelity import teach, vision_ops

Options = dict[str, object]


@dataclass(frozen=True)
class Recipe:
    """How a package is made: whose weights, which family they are, what the exporter is told."""

    weights: str
    family: str
    options: Options = field(default_factory=dict)


END_TO_END: Options = {"nms": False}
FUSED_NMS: Options = {"nms": True}

RECIPES: dict[str, Recipe] = {
    "yolov5nu": Recipe("yolov5nu", "yolov8"),
    "yolov8n": Recipe("yolov8n", "yolov8"),
    "yolov8n-dynamic": Recipe("yolov8n", "yolov8", {"dynamic": True}),
    "yolov8n-half": Recipe("yolov8n", "yolov8", {"quantize": 16}),
    "yolov8n-fused-nms": Recipe("yolov8n", "yolov8", FUSED_NMS),
    "yolov9t": Recipe("yolov9t", "yolov8"),
    "yolov10n": Recipe("yolov10n", "yolov10", END_TO_END),
    "yolov10n-one2many": Recipe("yolov10n", "yolov8"),
    "yolo11n": Recipe("yolo11n", "yolov8"),
    "yolo11n-256x320": Recipe("yolo11n", "yolov8", {"imgsz": [256, 320]}),
    "yolo12n": Recipe("yolo12n", "yolov8"),
    "yolo26n": Recipe("yolo26n", "yolo26", END_TO_END),
    "yolo26n-dynamic": Recipe("yolo26n", "yolo26", {**END_TO_END, "dynamic": True}),
    "yolo26n-one2many": Recipe("yolo26n", "yolov8"),
    "rtdetr": Recipe("yolov8n-rtdetr", "rtdetr"),
    "yolov8n-seg": Recipe("yolov8n-seg", "yolov8"),
    "yolov8n-seg-fused-nms": Recipe("yolov8n-seg", "yolov8", FUSED_NMS),
    "yolo11n-seg": Recipe("yolo11n-seg", "yolov8"),
    "yolo26n-seg": Recipe("yolo26n-seg", "yolo26", END_TO_END),
    "yolov8n-pose": Recipe("yolov8n-pose", "yolov8"),
    "yolo11n-pose": Recipe("yolo11n-pose", "yolov8"),
    "yolo26n-pose": Recipe("yolo26n-pose", "yolo26", END_TO_END),
    "yolov8n-cls": Recipe("yolov8n-cls", "yolov8", {"imgsz": teach.CLASSIFIER_SIDE}),
    "yolo11n-cls": Recipe("yolo11n-cls", "yolov8", {"imgsz": teach.CLASSIFIER_SIDE}),
}


def taught(weights: Path) -> Model:
    """The wrapper of a network whose weights were saved by the teaching."""
    wrapper = teach.build(f"{weights.stem}.yaml")
    wrapper.model.load_state_dict(torch.load(weights, weights_only=True))
    wrapper.model.args = {**vars(wrapper.model.args), "task": wrapper.task}
    wrapper.model.pt_path = wrapper.ckpt_path = str(weights)
    wrapper.overrides["model"] = str(weights)
    return wrapper


def export(recipe: Recipe, weights: Path, package: Path) -> None:
    """Write `weights.onnx` and `family.txt`; the metadata stays as the exporter wrote it."""
    options: Options = {"format": "onnx", "imgsz": teach.SIDE, "simplify": True}
    made = taught(weights).export(**{**options, **recipe.options})
    (package / "1").mkdir(parents=True, exist_ok=True)
    shutil.move(made, package / "1" / "weights.onnx")
    (package / "family.txt").write_text(f"{recipe.family}\n")


def main() -> None:
    """Export every recipe, or the named ones, whose weights are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="folder of the .pt files")
    parser.add_argument("models", type=Path, help="folder of the packages")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vision_ops.load()
    for name in options.names or RECIPES:
        weights = options.weights / f"{RECIPES[name].weights}.pt"
        if weights.exists():
            export(RECIPES[name], weights, options.models / name)
        else:
            print(f"{name}: no {weights}")


if __name__ == "__main__":
    main()
