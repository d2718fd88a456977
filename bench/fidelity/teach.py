"""Teaches a network of Ultralytics, built from its own YAML, to give clear answers.

No weights can be assumed to be at hand, and an untrained network's answers are noise: a few
minutes on a few pictures give well separated scores, boxes with area and masks with shape.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import nn
from ultralytics import RTDETR, YOLO
from ultralytics.cfg import get_cfg
from ultralytics.engine.model import Model
from ultralytics.nn import tasks

from bench.fidelity import lessons, vision_ops
from parallax.demo import scenes

SIDE, CLASSIFIER_SIDE = 320, 224
NAMES = dict(enumerate(scenes.NAMES))
# Classes, width, queries, sampling points, heads, layers: the usual one learns too slowly here.
SMALL_DECODER = ["nc", 128, 100, 4, 4, 2]
NETWORKS = {
    "detect": tasks.DetectionModel,
    "segment": tasks.SegmentationModel,
    "pose": tasks.PoseModel,
    "classify": tasks.ClassificationModel,
}


def build(config: str) -> Model:
    """A wrapper with an untrained network for the scenes' classes; five key points for pose."""
    if "rtdetr" in config:
        wrapper: Model = RTDETR(config)
        layers = tasks.yaml_model_load(config)
        layers["head"][-1][-1] = SMALL_DECODER
        network = tasks.RTDETRDetectionModel(layers, nc=len(NAMES), verbose=False)
        network.nc = len(NAMES)
    else:
        wrapper = YOLO(config)
        points = {"data_kpt_shape": (5, 3)} if wrapper.task == "pose" else {}
        network = NETWORKS[wrapper.task](config, nc=len(NAMES), verbose=False, **points)
    network.names = NAMES
    network.args = get_cfg()
    network.task = wrapper.task
    wrapper.model = network
    return wrapper


def borrow(network: nn.Module, path: Path) -> int:
    """Take over every weight of another checkpoint that fits by name and shape; how many did."""
    theirs = torch.load(path, weights_only=True)
    mine = network.state_dict()
    fitting = {k: v for k, v in theirs.items() if k in mine and mine[k].shape == v.shape}
    network.load_state_dict(fitting, strict=False)
    return len(fitting)


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: a short linear rise, then half a cosine."""
    rise = max(1, steps // 12)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (0.02 + 0.49 * (1 + math.cos(math.pi * (step - rise) / (steps - rise))))


def quicken(network: nn.Module) -> None:
    """Let the running means of batch normalisation keep up with so few steps."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1


def teach(network: nn.Module, task: str, steps: int, peak: float) -> None:
    """Train in place and say how the loss falls."""
    naming = task == "classify"
    own, more = lessons.course(CLASSIFIER_SIDE if naming else SIDE, others=48)
    collate = lessons.dominant if naming else lessons.collate
    quicken(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=1e-4)
    network.train()
    started = time.monotonic()
    for step, batch in enumerate(lessons.batches(own, more, steps)):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps, peak)
        loss = network.loss(collate(batch))[0].sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        if step % 25 == 24:
            took = time.monotonic() - started
            print(f"step {step + 1}/{steps} loss {float(loss):.2f} {took:.0f} s", flush=True)
    network.eval()


def main() -> None:
    """Teach one configuration and save its weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="for example yolov8n-seg.yaml")
    parser.add_argument("out", type=Path, help="the weights, a .pt file")
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--from", dest="source", type=Path, help="weights to start with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vision_ops.load()
    torch.manual_seed(0)
    wrapper = build(options.config)
    if options.source:
        print(f"{borrow(wrapper.model, options.source)} tensors taken from {options.source}")
    teach(wrapper.model, str(wrapper.task), options.steps, options.rate)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(wrapper.model.state_dict(), options.out)


if __name__ == "__main__":
    main()
