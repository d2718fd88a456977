"""Scenes as the demo detector is trained on them: squares of its input size, and their boxes.

Apart from the training itself, so that processes which only draw need no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.demo.evaluate import GREY, INPUT_SIZE, letterbox
from parallax.demo.scenes import NAMES, Box, generate


def training_example(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A letterboxed scene, uint8 [320, 320, 3], and its boxes float32 [m, 5].

    A box is x1, y1, x2, y2 in network pixels and the index of its class.
    """
    scene = generate(seed)
    square, scale, left, top = letterbox(scene.image)
    if seed % 2:
        square = _letterbox_without_antialiasing(scene.image, scale, left, top)
    margins = (left, top, left, top)
    rows = [
        [
            *(side * scale + margin for side, margin in zip(_sides(box), margins, strict=True)),
            NAMES.index(box.label),
        ]
        for box in scene.boxes
    ]
    return square, np.array(rows, dtype=np.float32).reshape(-1, 5)


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2


def _letterbox_without_antialiasing(
    image: Image.Image, scale: float, left: int, top: int
) -> NDArray[np.uint8]:
    # Pillow averages when it shrinks and OpenCV's bilinear does not: the network learns both,
    # so that it does not matter which of them a server resizes with.
    size = (round(image.width * scale), round(image.height * scale))
    grid = (image.width / size[0], 0.0, 0.0, 0.0, image.height / size[1], 0.0)
    small = image.transform(size, Image.Transform.AFFINE, grid, Image.Resampling.BILINEAR)
    square = Image.new("RGB", (INPUT_SIZE, INPUT_SIZE), (GREY, GREY, GREY))
    square.paste(small, (left, top))
    return np.asarray(square).copy()
