"""Teaches and exports the networks that do not come from Ultralytics.

torchvision's ResNet-18, a small ViT and DeepLabV3 give logits; the `yolov5` package gives the
original YOLOv5 with objectness; the rest are recasts of taught networks (recast.py). Each package
gets `class_names.txt` and `family.txt`.
"""

# torch is not followed by mypy: its base classes are Any.
# mypy: disable-error-code="misc"

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.fidelity import export, lessons, recast, teach, vision_ops

SEGMENTER_SIDE = 256
CLASSES = list(teach.NAMES.values())
LossOf = Callable[[list[lessons.Lesson]], Tensor]
MEAN = torch.tensor(recast.IMAGENET_MEAN).view(1, 3, 1, 1)
STD = torch.tensor(recast.IMAGENET_STD).view(1, 3, 1, 1)
zoo = vision_ops.load().models


def fit(network: nn.Module, loss_of: LossOf, side: int, steps: int, peak: float) -> None:
    """Train in place with AdamW on squares of `side` pixels."""
    own, more = lessons.course(side, others=48)
    optimiser = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=1e-4)
    teach.quicken(network)
    network.train()
    for step, batch in enumerate(lessons.batches(own, more, steps)):
        for group in optimiser.param_groups:
            group["lr"] = teach.rate(step, steps, peak)
        loss = loss_of(batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if step % 20 == 19:
            print(f"step {step + 1}/{steps} loss {float(loss):.3f}", flush=True)
    network.eval()


def classifier(network: nn.Module, mean: Tensor, std: Tensor, peak: float) -> nn.Module:
    """Teach logits [N, 8] from normalised RGB [N, 3, 224, 224]."""

    def loss_of(batch: list[lessons.Lesson]) -> Tensor:
        named = lessons.dominant(batch)
        return functional.cross_entropy(network((named["img"] - mean) / std), named["cls"])

    fit(network, loss_of, teach.CLASSIFIER_SIDE, 60, peak)
    return network


def resnet() -> nn.Module:
    """ResNet-18, ImageNet normalisation."""
    return classifier(zoo.resnet18(weights=None, num_classes=len(CLASSES)), MEAN, STD, 1e-3)


def vit() -> nn.Module:
    """A ViT of 4 layers of 128 with 16-pixel patches, normalised with 0.5."""
    network = zoo.VisionTransformer(
        image_size=teach.CLASSIFIER_SIDE,
        patch_size=16,
        num_layers=4,
        num_heads=4,
        hidden_dim=128,
        mlp_dim=256,
        num_classes=len(CLASSES),
    )
    nn.init.trunc_normal_(network.heads.head.weight, std=0.02)
    half = torch.tensor(0.5)
    return classifier(network, half, half, 1e-3)


class Logits(nn.Module):
    """A segmenter of torchvision that returns only its logits [N, C, H, W]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)["out"]
        return logits


def deeplab() -> nn.Module:
    """DeepLabV3 on MobileNetV3; class 0 is the background."""
    network = Logits(
        zoo.segmentation.deeplabv3_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=1 + len(CLASSES)
        )
    )

    def loss_of(batch: list[lessons.Lesson]) -> Tensor:
        images = torch.stack([each.image for each in batch]).float() / 255
        kinds = [np.append(each.classes + 1, 0)[each.owners] for each in batch]
        weight = torch.tensor([0.3] + [1.0] * len(CLASSES))
        targets = torch.from_numpy(np.stack(kinds))
        return functional.cross_entropy(network((images - MEAN) / STD), targets, weight)

    fit(network, loss_of, SEGMENTER_SIDE, 120, 2e-3)
    return network


def yolov5() -> nn.Module:
    """The original YOLOv5n: anchors, objectness and class scores."""
    import yolov5.models.yolo as original  # noqa: PLC0415  (slow, and needed only here)
    from yolov5.utils.loss import ComputeLoss  # noqa: PLC0415

    config = Path(original.__file__).with_name("yolov5n.yaml")
    network = original.DetectionModel(str(config), nc=len(CLASSES))
    gains = {"box": 0.05, "obj": 1.0, "cls": 0.5, "cls_pw": 1.0, "obj_pw": 1.0, "fl_gamma": 0.0}
    network.hyp = {**gains, "anchor_t": 4.0}
    criterion = ComputeLoss(network)

    def loss_of(batch: list[lessons.Lesson]) -> Tensor:
        made = lessons.collate(batch)
        targets = torch.cat([made["batch_idx"][:, None], made["cls"], made["bboxes"]], dim=1)
        loss: Tensor = criterion(network(made["img"]), targets)[0].sum()
        return loss

    fit(network, loss_of, teach.SIDE, 200, 3e-3)
    network.model[-1].export = True
    return network


def inner(weights: Path, end_to_end: bool = False) -> nn.Module:
    """A taught network of Ultralytics, ready to be traced."""
    network: nn.Module = export.taught(weights).model.eval()
    head = network.model[-1]
    head.export = True
    if end_to_end:
        head.end2end = True
    return network


@dataclass(frozen=True)
class Recipe:
    """Who builds a package's network from the folder of weights, and what it is.

    `side` is its input in pixels, `outputs` are the names of its tensors.
    """

    build: Callable[[Path], nn.Module]
    family: str
    side: int
    outputs: tuple[str, ...]


def rf_detr(weights: Path) -> nn.Module:
    """Boxes only, a column for each class."""
    return recast.RfDetr(inner(weights / "yolo26n.pt", True))


def rf_detr_seg(weights: Path) -> nn.Module:
    """With masks, and the spare column that rfdetr's own exports have."""
    return recast.RfDetr(inner(weights / "yolo26n-seg.pt", True), 1 + len(CLASSES))


DETECTOR, CLASSIFIER = teach.SIDE, teach.CLASSIFIER_SIDE
RECIPES: dict[str, Recipe] = {
    "yolov5n": Recipe(lambda _: yolov5(), "yolov5", DETECTOR, ("output0",)),
    "yolov5n-seg": Recipe(
        lambda weights: recast.YoloV5(inner(weights / "yolov8n-seg.pt")),
        "yolov5",
        DETECTOR,
        ("output0", "output1"),
    ),
    "yolo-nas": Recipe(
        lambda weights: recast.YoloNas(inner(weights / "yolov8n.pt")),
        "yolo-nas",
        DETECTOR,
        ("boxes", "scores"),
    ),
    "yolox": Recipe(
        lambda weights: recast.YoloX(inner(weights / "yolov8n.pt")), "yolox", DETECTOR, ("output",)
    ),
    "rf-detr": Recipe(rf_detr, "rf-detr", DETECTOR, ("dets", "labels")),
    "rf-detr-seg": Recipe(rf_detr_seg, "rf-detr", DETECTOR, ("dets", "labels", "masks")),
    "resnet18": Recipe(lambda _: resnet(), "resnet", CLASSIFIER, ("logits",)),
    "vit": Recipe(lambda _: vit(), "vit", CLASSIFIER, ("logits",)),
    "deeplab": Recipe(lambda _: deeplab(), "deeplab", SEGMENTER_SIDE, ("logits",)),
}


def write(network: nn.Module, recipe: Recipe, folder: Path) -> None:
    """Trace a network into `weights.onnx`, one picture at a time."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    images = torch.rand(1, 3, recipe.side, recipe.side)
    # The fused attention of torch's encoder layers has no ONNX operator.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        network(images)
        torch.onnx.export(
            network,
            (images,),
            str(folder / "1" / "weights.onnx"),
            input_names=["images"],
            output_names=list(recipe.outputs),
            opset_version=17,
            dynamo=False,
        )


def package(name: str, weights: Path, folder: Path) -> None:
    """Build, export and describe one model."""
    recipe = RECIPES[name]
    torch.manual_seed(0)
    write(recipe.build(weights), recipe, folder)
    (folder / "family.txt").write_text(f"{recipe.family}\n")
    listed = ["background", *CLASSES] if recipe.family == "deeplab" else CLASSES
    (folder / "1" / "class_names.txt").write_text("\n".join(listed) + "\n")


def main() -> None:
    """Make every package, or the named ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="folder of the .pt files")
    parser.add_argument("models", type=Path, help="folder of the packages")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names or RECIPES:
        package(name, options.weights, options.models / name)
        print(f"{name}: written", flush=True)


if __name__ == "__main__":
    main()
