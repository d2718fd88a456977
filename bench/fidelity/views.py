"""The ways in which networks that are not Ultralytics' take a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from ultralytics.data.augment import LetterBox

from bench.fidelity import pictures, recast

Bgr = pictures.Pixels
Side = tuple[int, int]
Viewer = Callable[[Bgr, Side], "View"]
GREY = 114


@dataclass(frozen=True)
class View:
    """A picture as a network takes it.

    tensor is float32 [1, 3, h, w]; size is (height, width) of the picture itself.
    """

    tensor: Tensor
    size: tuple[int, int]

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.tensor.shape[2], self.tensor.shape[3]


def chw(pixels: Bgr) -> Tensor:
    """uint8 [h, w, 3] as float32 [1, 3, h, w] in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float()


def letterboxed(picture: Bgr, side: Side) -> View:
    """Centred on grey 114, RGB 0..1."""
    padded = LetterBox(side, auto=False)(image=picture)
    return View(chw(padded[..., ::-1]) / 255, picture.shape[:2])


def cornered(picture: Bgr, side: Side) -> View:
    """In the upper left corner of grey 114, BGR 0..255: the pre-processing of YOLOX."""
    height, width = picture.shape[:2]
    ratio = min(side[0] / height, side[1] / width)
    size = (int(width * ratio), int(height * ratio))
    padded = np.full((*side, 3), GREY, dtype=np.uint8)
    padded[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return View(chw(padded), picture.shape[:2])


def stretched(mean: tuple[float, ...], std: tuple[float, ...]) -> Viewer:
    """Stretched as uint8 by OpenCV's bilinear, then RGB 0..1 normalised."""

    def view(picture: Bgr, side: Side) -> View:
        pixels = np.empty((*side, 3), dtype=np.uint8)
        cv2.resize(picture, (side[1], side[0]), dst=pixels, interpolation=cv2.INTER_LINEAR)
        rgb = chw(pixels[..., ::-1]) / 255
        centre, spread = (torch.tensor(each).view(1, 3, 1, 1) for each in (mean, std))
        return View((rgb - centre) / spread, picture.shape[:2])

    return view


def stretched_as_floats(picture: Bgr, side: Side) -> View:
    """RGB 0..1 stretched as floats, not antialiased, then normalised: RF-DETR's predict()."""
    rgb = chw(picture[..., ::-1]) / 255
    rgb = functional.interpolate(rgb, side, mode="bilinear", align_corners=False, antialias=False)
    mean, std = (torch.tensor(each) for each in (recast.IMAGENET_MEAN, recast.IMAGENET_STD))
    return View((rgb - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1), picture.shape[:2])


IMAGENET = stretched(recast.IMAGENET_MEAN, recast.IMAGENET_STD)
HALF = stretched((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
