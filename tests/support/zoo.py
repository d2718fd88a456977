"""A folder of models, one for every task: each tiny, under ids that the original's clients know."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tests.support import onnx_heads

CLASSES = ("red", "green", "blue")
SCENES = "night/1"
"""The demo detector, the only one that finds what is in a picture."""
BOXES, SEGMENTS, POSE = "coco/3", "coco-dataset-vdnr1/2", "coco-pose-detection/1"
ONE_LABEL, LABELS, PIXELS = "shapes/1", "tags/2", "ground/1"
SPARE = "spare/1"
"""A further detector, to be loaded and unloaded."""
JOINTS = ("head", "left", "right", "knee", "foot")


@dataclass(frozen=True)
class Exhibit:
    """One package: whose head it has, and what its ``model.toml`` says."""

    head: str
    labels: tuple[str, ...]
    extra: str = ""

    @property
    def toml(self) -> str:
        """The text of the file."""
        head = onnx_heads.HEADS[self.head]
        labels = ", ".join(f'"{label}"' for label in self.labels)
        lines = (f'family = "{head.family}"', f'task = "{head.task}"', f"labels = [{labels}]")
        return "\n".join((*lines, self.extra, ""))


def _letters(count: int) -> tuple[str, ...]:
    return tuple("abcdefgh"[:count])


_NAMES = ", ".join(f'"{name}"' for name in JOINTS)

EXHIBITS: Mapping[str, Exhibit] = {
    BOXES: Exhibit("yolov8", CLASSES),
    SEGMENTS: Exhibit("yolov8-seg", CLASSES),
    POSE: Exhibit("yolov8-pose", CLASSES, f"[[keypoints]]\nnames = [{_NAMES}]\nedges = [[0, 1]]"),
    ONE_LABEL: Exhibit("classifier", _letters(6)),
    LABELS: Exhibit("classifier-sigmoid", _letters(6), "multi_label = true"),
    PIXELS: Exhibit("deeplab", _letters(5)),
    SPARE: Exhibit("yolov8", CLASSES),
}


def write(folder: Path) -> Path:
    """Write all packages into a folder and return it."""
    for model, exhibit in EXHIBITS.items():
        head = onnx_heads.HEADS[exhibit.head]
        onnx_heads.make(folder / model / "weights.onnx", onnx_heads.Recipe(head.outputs))
        (folder / model / "model.toml").write_text(exhibit.toml)
    scenes = folder / SCENES
    scenes.mkdir(parents=True)
    detector = resources.files("parallax.demo") / "detector.onnx"
    with resources.as_file(detector) as path:
        shutil.copy(path, scenes / "weights.onnx")
    return folder
