"""Makes torchvision usable beside a CPU build of torch.

The torchvision on PyPI is compiled against CUDA. Beside a CPU-only torch its compiled operators
do not load, and then the import itself fails on the missing `nms`. Its transforms and models need
no compiled operator, so only `nms` is supplied here, as the textbook greedy algorithm.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch
from torch import Tensor

# Of what torchvision's import asks for; `qnms` is the quantised one and is never called.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# The definitions go when the library object does.
KEPT: list[torch.library.Library] = []


def greedy_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices int64 [k] that survive, best first; boxes float [n, 4] xyxy, scores float [n].

    A box goes when its IoU with a better kept box is above the threshold, as in torchvision.
    """
    order = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        corner = torch.maximum(boxes[best, :2], boxes[rest, :2])
        other = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (other - corner).clamp(min=0).prod(dim=1)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= iou_threshold]
    return torch.tensor(kept, dtype=torch.int64)


@functools.cache
def load() -> ModuleType:
    """Import torchvision, once; to be called before anything that imports it by itself."""
    if torch.version.cuda is None:
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        library.impl("nms", greedy_nms, "CPU")
        KEPT.append(library)
        extension = importlib.import_module("torchvision.extension")
        vars(extension)["_has_ops"] = lambda: True
    return importlib.import_module("torchvision")
