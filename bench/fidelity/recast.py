"""Recasts taught networks into the output layouts of other families.

Layouts, not architectures: a decoder sees only the tensors, so the answers of one network, laid
out as another family lays out its own, try that family's decoding as well as its weights would.
Each class notes what its family takes and gives.
"""

# torch is not followed by mypy: its base classes are Any.
# mypy: disable-error-code="misc"

from __future__ import annotations

import torch
from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def corners(boxes: Tensor) -> Tensor:
    """Boxes [..., 4] cx, cy, w, h as x1, y1, x2, y2."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


class Recast(nn.Module):
    """A taught network in evaluation mode that takes RGB 0..1 [N, 3, H, W], and C classes."""

    def __init__(self, network: nn.Module, classes: int = 8) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def rows(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Boxes [N, B, 4] px, probabilities [N, B, C], what follows [N, B, k], prototypes."""
        answer = self.network(images)
        protos = answer[1] if isinstance(answer, tuple) else None
        rows = (answer[0] if isinstance(answer, tuple) else answer).transpose(1, 2)
        boxes, scores, rest = rows.split([4, self.classes, rows.shape[2] - 4 - self.classes], 2)
        return boxes, scores, rest, protos


class YoloV5(Recast):
    """YOLOv5: (N, boxes, 5 + C [+ 32]) cx, cy, w, h px, objectness, class scores; prototypes.

    Objectness is the root of the best score, so that its product with the class scores gives the
    probabilities of the network.
    """

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        boxes, scores, rest, protos = self.rows(images)
        objectness = scores.amax(dim=2, keepdim=True).clamp(min=1e-6).sqrt()
        rows = torch.cat([boxes, objectness, scores / objectness, rest], dim=2)
        return rows if protos is None else (rows, protos)


class YoloNas(Recast):
    """YOLO-NAS: boxes (N, B, 4) x1, y1, x2, y2 px and scores (N, B, C)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores, _, _ = self.rows(images)
        return corners(boxes), scores


class YoloX(Recast):
    """YOLOX: takes BGR 0..255; (N, boxes, 5 + C) in grid units, to be decoded with the strides.

    Centres are offsets from the cell, sizes are logarithms, both in strides; scores are sigmoid.
    """

    strides = (8, 16, 32)

    def forward(self, images: Tensor) -> Tensor:
        boxes, scores, _, _ = self.rows(images.flip(1) / 255)
        height, width = images.shape[2:]
        cells, sizes = [], []
        for stride in self.strides:
            rows, columns = torch.arange(height // stride), torch.arange(width // stride)
            down, across = torch.meshgrid(rows, columns, indexing="ij")
            cells.append(torch.stack([across, down], dim=-1).reshape(-1, 2).float())
            sizes.append(torch.full((len(cells[-1]), 1), float(stride)))
        cell, size = torch.cat(cells), torch.cat(sizes)
        centre, extent = boxes[..., :2] / size - cell, (boxes[..., 2:] / size).clamp(min=1e-4).log()
        objectness = scores.amax(dim=2, keepdim=True).clamp(min=1e-6).sqrt()
        return torch.cat([centre, extent, objectness, scores / objectness], dim=2)


class RfDetr(Recast):
    """RF-DETR: takes ImageNet-normalised RGB.

    Gives dets (N, Q, 4) cx, cy, w, h as fractions, labels (N, Q, columns) logits and, with
    prototypes, masks (N, Q, h, w) logits. What rfdetr itself exports has one column more than
    there are classes. The network is an end-to-end one: rows of x1, y1, x2, y2, score, class,
    mask coefficients, one for each object.
    """

    queries = 100
    other_classes = -7.0

    def __init__(self, network: nn.Module, columns: int = 8) -> None:
        super().__init__(network, columns)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(images * self.std + self.mean)
        rows = (answer[0] if isinstance(answer, tuple) else answer)[:, : self.queries]
        sides = torch.tensor([images.shape[3], images.shape[2]])
        low, high = rows[..., :2] / sides, rows[..., 2:4] / sides
        dets = torch.cat([(low + high) / 2, high - low], dim=2)
        named = rows[..., 5:6] == torch.arange(self.classes)
        labels = torch.where(named, torch.logit(rows[..., 4:5], eps=1e-6), self.other_classes)
        if not isinstance(answer, tuple):
            return dets, labels
        return dets, labels, torch.einsum("nqk,nkhw->nqhw", rows[..., 6:], answer[1])
