"""The pictures both sides answer for, and what is known to be in them.

They are scenes of the demo generator and photographs that scikit-image ships, some with objects
of the scenes pasted in, so that a briefly trained network finds something in each. The sizes are
chosen for the roundings they provoke. PNG, so that every decoder gives the same pixels.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.demo import scenes, sprites

Pixels = NDArray[np.uint8]
ALPHA = 96
# name, seed, (width, height)
SCENES: tuple[tuple[str, int, tuple[int, int]], ...] = (
    ("scene-exact", 11, (320, 320)),
    ("scene-landscape", 26, (960, 540)),
    ("scene-portrait", 33, (479, 801)),
    ("scene-small", 41, (233, 157)),
    ("scene-wide", 54, (901, 301)),
)
# name, file of scikit-image, seed of the pasted objects, how many
PHOTOGRAPHS: tuple[tuple[str, str, int, int], ...] = (
    ("photo-cat", "chelsea.png", 5, 5),
    ("photo-astronaut", "astronaut.png", 6, 7),
    ("photo-coffee", "coffee.png", 7, 0),
)


@dataclass(frozen=True)
class Labelled:
    """A picture, RGB uint8 [h, w, 3]; who owns each pixel, int16 [h, w], -1 for nobody; labels."""

    pixels: Pixels
    owners: NDArray[np.int16]
    labels: list[str]


def scene(seed: int, size: tuple[int, int] | None = None) -> Labelled:
    """A scene of the demo generator; `size` is (width, height) in pixels."""
    return Labelled(*scenes.compose(seed, size))


def photograph(file: str, seed: int, count: int) -> Labelled:
    """A photograph that scikit-image ships, with `count` objects pasted where none is yet."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise FileNotFoundError("scikit-image is not installed: its photographs are needed")
    with Image.open(Path(found.origin).parent / "data" / file) as opened:
        image = opened.convert("RGB")
    return paste(image, np.random.default_rng(seed), count)


def paste(image: Image.Image, rng: np.random.Generator, count: int) -> Labelled:
    """Paste up to `count` objects of the demo scenes on a picture, clear of one another."""
    owners: NDArray[np.int16] = np.full((image.height, image.width), -1, dtype=np.int16)
    labels: list[str] = []
    for _ in range(count * 4):
        if len(labels) == count:
            break
        label = scenes.NAMES[int(rng.integers(len(scenes.NAMES)))]
        extent = float(rng.uniform(0.15, 0.4)) * min(image.size)
        sprite = sprites.rasterise(sprites.DRAWERS[label](rng), extent, rng.uniform(-0.5, 0.5))
        if sprite.width >= image.width or sprite.height >= image.height:
            continue
        left = int(rng.integers(image.width - sprite.width))
        top = int(rng.integers(image.height - sprite.height))
        region = owners[top : top + sprite.height, left : left + sprite.width]
        if (region >= 0).any():
            continue
        image.paste(sprite, (left, top), sprite)
        region[np.asarray(sprite)[..., 3] >= ALPHA] = len(labels)
        labels.append(label)
    return Labelled(np.asarray(image), owners, labels)


def all_pictures() -> dict[str, Labelled]:
    """Every picture of the comparison by name, with the file name's stem as the name."""
    made = {name: scene(seed, size) for name, seed, size in SCENES}
    made |= {name: photograph(file, seed, count) for name, file, seed, count in PHOTOGRAPHS}
    return made


def read(folder: Path) -> dict[str, Pixels]:
    """The PNG pictures of a folder by name, BGR uint8 [h, w, 3] as OpenCV gives them."""
    found: dict[str, Pixels] = {}
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        found[path.stem] = np.ascontiguousarray(rgb[..., ::-1])
    return found


def main(folder: Path) -> None:
    """Write the pictures as PNG into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in all_pictures().items():
        Image.fromarray(picture.pixels).save(folder / f"{name}.png")
        height, width = picture.owners.shape
        print(f"{name}: {width}x{height}, {', '.join(picture.labels) or 'nothing'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
