"""What the outputs of detectors that are not Ultralytics' mean, by their published formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from ultralytics.utils import ops

from bench.fidelity import answers, recast, views, vision_ops

# More than any coordinate: boxes of different classes are moved apart by it before the NMS.
APART = 7680.0


@dataclass(frozen=True)
class Found:
    """n objects, best first.

    boxes [n, 4] x1, y1, x2, y2 px of the picture; scores and classes [n]; masks bool
    [n, height, width] or None; more, further numbers of each object.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor | None
    more: dict[str, Tensor]


def suppress(boxes: Tensor, scores: Tensor, classes: Tensor) -> Tensor:
    """Indices that survive the class-aware greedy NMS, best first."""
    apart = boxes + classes[:, None].float() * APART
    return vision_ops.greedy_nms(apart, scores, answers.IOU)[: answers.MOST]


def rows(boxes: Tensor, joint: Tensor, view: views.View, threshold: float) -> tuple[Found, Tensor]:
    """Objects from xyxy boxes [B, 4] on the letterbox and scores [B, C]; and their indices."""
    scores, classes = joint.max(dim=1)
    passing = (scores > threshold).nonzero()[:, 0]
    kept = passing[suppress(boxes[passing], scores[passing], classes[passing])]
    placed = ops.scale_boxes(view.side, boxes[kept].clone(), view.size)
    return Found(placed, scores[kept], classes[kept], None, {}), kept


def yolov5(outputs: list[Tensor], view: views.View, threshold: float) -> Found:
    """cx, cy, w, h px, objectness, class scores, mask coefficients; prototypes.

    The score is objectness times class score, as in the original; both are given as well.
    """
    grid = outputs[0][0]
    protos = outputs[1][0] if len(outputs) > 1 else None
    last = grid.shape[1] - (0 if protos is None else len(protos))
    boxes, objectness, kinds = recast.corners(grid[:, :4]), grid[:, 4:5], grid[:, 5:last]
    found, kept = rows(boxes, objectness * kinds, view, threshold)
    more = {"objectness": objectness[kept, 0], "class_score": kinds[kept].amax(dim=1)}
    masks = None
    if protos is not None:
        masks = ops.process_mask_native(protos, grid[kept, last:], found.boxes, view.size) > 0
    return Found(found.boxes, found.scores, found.classes, masks, more)


def yolo_nas(outputs: list[Tensor], view: views.View, threshold: float) -> Found:
    """boxes x1, y1, x2, y2 px, and scores."""
    return rows(outputs[0][0], outputs[1][0], view, threshold)[0]


def yolox(outputs: list[Tensor], view: views.View, threshold: float) -> Found:
    """Cell offsets and logarithms of sizes in strides; objectness; class scores."""
    grid = outputs[0][0]
    cells, sizes = [], []
    for stride in recast.YoloX.strides:
        for row in range(view.side[0] // stride):
            cells += [(column, row) for column in range(view.side[1] // stride)]
            sizes += [stride] * (view.side[1] // stride)
    size = torch.tensor(sizes)[:, None]
    centre, extent = (grid[:, :2] + torch.tensor(cells)) * size, grid[:, 2:4].exp() * size
    joint = grid[:, 4:5] * grid[:, 5:]
    scores, classes = joint.max(dim=1)
    boxes = recast.corners(torch.cat([centre, extent], dim=1))
    passing = (scores > threshold).nonzero()[:, 0]
    kept = passing[suppress(boxes[passing], scores[passing], classes[passing])]
    height, width = view.size
    ratio = min(view.side[0] / height, view.side[1] / width)
    placed = ops.clip_boxes(boxes[kept] / ratio, view.size)
    more = {"objectness": grid[kept, 4], "class_score": grid[kept, 5:].amax(dim=1)}
    return Found(placed, scores[kept], classes[kept], None, more)


def rf_detr(outputs: list[Tensor], view: views.View, threshold: float) -> Found:
    """Boxes as fractions, logits, mask logits: the best pairs of query and class, no NMS."""
    dets, labels = outputs[0][0], outputs[1][0]
    pairs = labels.sigmoid().flatten().sort(descending=True, stable=True)
    best = pairs.indices[: answers.MOST][pairs.values[: answers.MOST] > threshold]
    queries, classes = best // labels.shape[1], best % labels.shape[1]
    height, width = view.size
    sides = torch.tensor([width, height, width, height], dtype=torch.float32)
    boxes = torch.minimum((recast.corners(dets[queries]) * sides).clamp(min=0), sides)
    masks = None
    if len(outputs) > 2 and len(best):
        planes = outputs[2][0][queries][:, None]
        sized = functional.interpolate(planes, view.size, mode="bilinear", align_corners=False)
        masks = sized[:, 0] > 0
    return Found(boxes, pairs.values[: len(best)], classes, masks, {})


Decoder = Callable[[list[Tensor], views.View, float], Found]
