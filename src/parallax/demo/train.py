"""Train the demo detector and write it as ONNX; the file the package ships came from here.

    python -m parallax.demo.train --out src/parallax/demo/detector.onnx

The network is small enough to train without a GPU, so that anyone can make the file again: it
took 20 minutes on two cores shared with other work, one of them drawing the scenes.
Only this module needs torch.
"""

# The checks do not read torch (pyproject.toml), so its classes are Any to them.
# mypy: disable-error-code="misc"

from __future__ import annotations

import argparse
import logging
import math
import multiprocessing
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from parallax.demo.evaluate import INPUT_SIZE, Forward, best_confidence, detect, score
from parallax.demo.examples import training_example
from parallax.demo.scenes import MOST_OBJECTS, NAMES, generate

log = logging.getLogger(__name__)

STRIDES = (8, 16, 32)
# Seeds below this one are never trained on: they are for tests and evaluation.
FIRST_TRAINING_SEED = 1_000_000
FIRST_SCENES, SCENES_A_STEP = 400, 4
CANDIDATES = 10
BOX_WEIGHT = 3.0
# What callers usually ask for at least.
CONFIDENCE = 0.4


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(
            nn.Conv2d(inward, outward, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outward),
            nn.ReLU(inplace=True),
        )


class Separable(nn.Sequential):
    """A depthwise 5x5 and a pointwise convolution: a wide view for few weights."""

    def __init__(self, inward: int, outward: int, stride: int = 1):
        super().__init__(
            ConvUnit(inward, inward, 5, stride, groups=inward), ConvUnit(inward, outward, 1)
        )


class Residual(nn.Module):
    """Two separable units around which the input is added back."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(Separable(width, width), Separable(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Detector(nn.Module):
    """Anchor-free detector: a backbone to stride 32, a top-down pyramid, a head per stride."""

    def __init__(self, classes: int = len(NAMES), neck: int = 48):
        super().__init__()
        # Straight to a quarter: layers at half size would take most of the time.
        self.stem = nn.Sequential(
            ConvUnit(3, 32, 7, 4), ConvUnit(32, 32, 3), ConvUnit(32, 48, 3, 2), Residual(48)
        )
        self.middle = nn.Sequential(Separable(48, 80, 2), Residual(80))
        self.deep = nn.Sequential(Separable(80, 128, 2), Residual(128), Residual(128))
        self.laterals = nn.ModuleList(ConvUnit(width, neck, 1) for width in (48, 80, 128))
        self.smooth = nn.ModuleList(Separable(neck, neck) for _ in STRIDES)
        self.heads = nn.ModuleList(
            nn.Sequential(
                Separable(neck, neck), ConvUnit(neck, neck, 3), nn.Conv2d(neck, 4 + classes, 1)
            )
            for _ in STRIDES
        )
        for head in self.heads:
            bias = head[-1].bias
            with torch.no_grad():
                # Boxes begin some four cells wide, and every class begins rare.
                bias[:4], bias[4:] = 2.0, -4.6
        points, steps = anchor_points()
        self.register_buffer("points", points.T.contiguous()[None], persistent=False)
        self.register_buffer("steps", steps[None, None], persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images float32 [n, 3, 320, 320] in 0..1 to distances and logits.

        Distances, in pixels, are from every anchor point to the left, top, right and bottom of
        its box, [n, 4, boxes]; the class logits are [n, classes, boxes].
        """
        fine = self.stem(images)
        middle = self.middle(fine)
        coarse = self.deep(middle)
        levels = [unit(x) for unit, x in zip(self.laterals, (fine, middle, coarse), strict=True)]
        for upper in (1, 0):
            larger = functional.interpolate(levels[upper + 1], scale_factor=2.0, mode="nearest")
            levels[upper] = levels[upper] + larger
        outputs = []
        for stride, level, smooth, head in zip(
            STRIDES, levels, self.smooth, self.heads, strict=True
        ):
            side = INPUT_SIZE // stride
            outputs.append(head(smooth(level)).reshape(-1, 4 + len(NAMES), side * side))
        output = torch.cat(outputs, dim=2)
        return functional.softplus(output[:, :4]) * self.steps, output[:, 4:]


class Exported(nn.Module):
    """The detector with its output in the YOLOv8 layout: centre, size, class probabilities."""

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 [n, 3, 320, 320] in 0..1 to float32 [n, 4 + classes, boxes]."""
        distances, logits = self.detector(images)
        before, after = distances[:, :2], distances[:, 2:]
        centre = self.detector.points + (after - before) * 0.5
        return torch.cat([centre, before + after, logits.sigmoid()], dim=1)


def anchor_points() -> tuple[Tensor, Tensor]:
    """Centres of all cells, float32 [boxes, 2] in pixels (x, y), and their strides [boxes]."""
    points, steps = [], []
    for stride in STRIDES:
        line = (torch.arange(INPUT_SIZE // stride) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], dim=1))
        steps.append(torch.full((line.numel() ** 2,), float(stride)))
    return torch.cat(points), torch.cat(steps)


def corners(points: Tensor, distances: Tensor) -> Tensor:
    """Boxes (x1, y1, x2, y2) [n, boxes, 4] from points [1, 2, boxes], distances [n, 4, boxes]."""
    return torch.cat([points - distances[:, :2], points + distances[:, 2:]], dim=1).mT


def iou_and_giou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes (x1, y1, x2, y2), broadcast over the leading axes."""
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    inner = both.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inner + 1e-6
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    outer = hull.prod(-1) + 1e-6
    iou = inner / union
    return iou, iou - (outer - union) / outer


@dataclass(frozen=True)
class Targets:
    """Truths of a batch, padded to m a picture: boxes [n, m, 4], labels [n, m], real [n, m]."""

    boxes: Tensor
    labels: Tensor
    real: Tensor


def assign(
    points: Tensor, boxes: Tensor, logits: Tensor, targets: Targets
) -> tuple[Tensor, Tensor]:
    """Choose, for every truth, the cells that are to predict it.

    They are the cells inside it whose present prediction suits it best, by score and overlap
    together, so the network itself settles which stride serves which size. Returns, for every
    cell, the index of its truth, int64 [n, boxes], and its target score [n, boxes], 0 for the
    background. The best cell of a truth has its best IoU for a target.
    """
    overlap, _ = iou_and_giou(targets.boxes[:, :, None], boxes[:, None])
    labels = targets.labels[..., None].expand(-1, -1, logits.shape[2])
    likely = logits.sigmoid().gather(1, labels)
    near = points - targets.boxes[..., :2, None]
    far = targets.boxes[..., 2:, None] - points
    inside = (torch.minimum(near, far).amin(2) > 0) & targets.real[..., None]
    # The small constants keep the order of overlaps while nothing is learnt yet.
    fitness = (likely + 1e-3).sqrt() * (overlap + 1e-3) ** 3 * inside
    floor = fitness.topk(CANDIDATES, dim=2).values[..., -1:]
    fitness = fitness * (fitness >= floor)
    share = fitness / fitness.amax(2, keepdim=True).clamp(min=1e-12)
    target = share * (overlap * (fitness > 0)).amax(2, keepdim=True)
    chosen = (overlap * (fitness > 0)).argmax(1)
    return chosen, target.gather(1, chosen[:, None])[:, 0]


def loss_of(detector: Detector, images: Tensor, targets: Targets) -> Tensor:
    """Binary cross-entropy to the assigned scores, plus GIoU loss of the assigned cells."""
    distances, logits = detector(images)
    distances, logits = distances.float(), logits.float()
    boxes = corners(detector.points, distances)
    with torch.no_grad():
        chosen, target = assign(detector.points[:, None], boxes, logits, targets)
    scale = target.sum().clamp(min=1.0)
    label = targets.labels.gather(1, chosen)
    wanted = functional.one_hot(label, len(NAMES)).mT * target[:, None]
    # Easy background is weighed down, by the square of its score, as in the varifocal loss.
    weight = torch.where(wanted > 0, 1.0, logits.detach().sigmoid() ** 2 + 0.02)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="sum")
    cells = target > 0
    aims = targets.boxes.gather(1, chosen[..., None].expand(-1, -1, 4))[cells]
    _, giou = iou_and_giou(boxes[cells], aims)
    return (entropy + BOX_WEIGHT * ((1 - giou) * target[cells]).sum()) / scale


class Stock:
    """Training scenes in memory, drawn in batches; it grows while the training goes on.

    A process of its own makes the scenes, so drawing them costs the training no time. How many
    there are at a step depends on the step alone, which keeps a run reproducible.
    """

    def __init__(self, pool: Pool, scenes: int):
        seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + scenes)
        self._coming = pool.imap(training_example, seeds, chunksize=4)
        self.images = torch.zeros(scenes, INPUT_SIZE, INPUT_SIZE, 3, dtype=torch.uint8)
        self.rows = torch.full((scenes, MOST_OBJECTS, 5), -1.0)
        self.count = 0

    def grow(self, scenes: int) -> None:
        """Wait for so many more scenes."""
        for _ in range(scenes):
            image, rows = next(self._coming)
            self.images[self.count] = torch.from_numpy(image)
            self.rows[self.count, : len(rows)] = torch.from_numpy(rows)
            self.count += 1

    def sample(self, size: int, generator: torch.Generator) -> tuple[Tensor, Targets]:
        """A batch of random scenes, varied a little, and truths.

        Images are float32 [size, 3, 320, 320] in 0..1.
        """
        picks = torch.randint(self.count, (size,), generator=generator)
        images = self.images[picks].permute(0, 3, 1, 2).float() / 255
        rows = self.rows[picks].clone()
        real = rows[..., 4] >= 0
        mirrored = torch.rand(size, generator=generator) < 0.5
        images[mirrored] = images[mirrored].flip(3)
        x1, x2 = rows[mirrored, :, 0].clone(), rows[mirrored, :, 2].clone()
        rows[mirrored, :, 0], rows[mirrored, :, 2] = INPUT_SIZE - x2, INPUT_SIZE - x1
        gain = 0.8 + 0.4 * torch.rand(size, 1, 1, 1, generator=generator)
        tint = 0.06 * torch.randn(size, 3, 1, 1, generator=generator)
        images = (images * gain + tint).clamp(0, 1)
        images = images.contiguous(memory_format=torch.channels_last)
        return images, Targets(rows[..., :4], rows[..., 4].long().clamp(min=0), real)


def train(stock: Stock, steps: int, batch: int, seed: int) -> Detector:
    """Train for a number of steps; the detector returned has the averaged weights."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    detector = Detector().to(memory_format=torch.channels_last)
    averaged: Detector = deepcopy(detector).eval()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=4e-3, total_steps=steps, pct_start=0.1, final_div_factor=50
    )
    running = 0.0
    for step in range(steps):
        stock.grow(SCENES_A_STEP)
        images, targets = stock.sample(batch, generator)
        loss = loss_of(detector, images, targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        _average(averaged, detector, min(0.998, (step + 1) / (step + 10)))
        running += loss.item()
        if (step + 1) % 100 == 0:
            log.info("step %d, loss %.3f", step + 1, running / 100)
            running = 0.0
    return averaged


def _average(averaged: Detector, detector: Detector, decay: float) -> None:
    now = detector.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - decay)


def forward_of(detector: Detector) -> Forward:
    """The detector as a function of arrays: what its file computes, computed by torch."""
    model = Exported(detector).eval()

    def forward(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            output: NDArray[np.float32] = model(torch.from_numpy(images)).numpy()
        return output

    return forward


def calibrate(detector: Detector) -> None:
    """Shift all class scores alike so that keeping those above CONFIDENCE is the best choice.

    The weights of the loss leave the scores in the right order but too high. Scenes used here
    are used for nothing else.
    """
    forward = forward_of(detector)
    scenes = [generate(seed) for seed in range(FIRST_TRAINING_SEED - 200, FIRST_TRAINING_SEED)]
    found = [detect(forward, scene.image, confidence=0.1) for scene in scenes]
    best = best_confidence([scene.boxes for scene in scenes], found)
    shift = math.log(CONFIDENCE / (1 - CONFIDENCE)) - math.log(best / (1 - best))
    for head in detector.heads:
        head[-1].bias.data[4:] += shift
    log.info("confidence %.3f becomes %.3f", best, CONFIDENCE)


def export(detector: Detector, out: Path) -> None:
    """Write the detector as ONNX, in the layout and with the metadata of a YOLOv8 export."""
    model = Exported(detector).eval().to(memory_format=torch.contiguous_format)
    example = torch.rand(2, 3, INPUT_SIZE, INPUT_SIZE)
    torch.onnx.export(
        model,
        (example,),
        str(out),
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["output0"],
        dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
    )
    proto = onnx.load(str(out))
    metadata = {
        "description": "parallax demo detector: objects of a drawn night sky",
        "author": "parallax",
        "license": "Apache-2.0",
        "task": "detect",
        "stride": str(max(STRIDES)),
        "batch": "1",
        "imgsz": str([INPUT_SIZE, INPUT_SIZE]),
        "names": str(dict(enumerate(NAMES))),
    }
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(out))


def verify(detector: Detector, out: Path) -> tuple[float, dict[str, float]]:
    """Check the file against torch, then score it on unseen scenes: mAP@0.5, and per class."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(out), options, providers=["CPUExecutionProvider"])

    def forward(images: NDArray[np.float32]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(["output0"], {"images": images})[0]
        return output

    probe = training_example(0)[0].transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    # Boxes are hundreds of pixels: the tolerance is relative for them.
    np.testing.assert_allclose(forward(probe), forward_of(detector)(probe), rtol=1e-4, atol=1e-4)
    return score(forward, range(300))


def main() -> None:
    """Make scenes, train, export and score."""
    parser = argparse.ArgumentParser(description="Train the demo detector.")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--steps", type=int, default=2300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # One core trains while another draws.
    torch.set_num_threads(1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        stock = Stock(pool, FIRST_SCENES + chosen.steps * SCENES_A_STEP)
        stock.grow(FIRST_SCENES)
        log.info("training begins")
        detector = train(stock, chosen.steps, chosen.batch, chosen.seed)
    calibrate(detector)
    export(detector, chosen.out)
    mean, per_class = verify(detector, chosen.out)
    log.info("mAP@0.5 %.4f, by class %s", mean, per_class)


if __name__ == "__main__":
    main()
