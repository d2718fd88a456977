"""Endless labelled pictures for the demo detector, made from a seed and nothing else.

A newcomer can try the server, and the tests can measure it, without fetching a data set: a scene
is a night sky with clutter, and its boxes are read off the painted masks, so they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from parallax.demo.sprites import DRAWERS, TILT, hsv, rasterise

NAMES: tuple[str, ...] = tuple(DRAWERS)

SHORTEST_SIDE, LONGEST_SIDE = 320, 960
MAX_ASPECT = 2.0
# Of the longer side: on a detector's small input the least object is still some 30 pixels.
SMALLEST = 0.1
FEWEST_OBJECTS, MOST_OBJECTS = 3, 9
# An object counts as present where it hides at least this much of what is behind it (0..255).
MASK_ALPHA = 96
MIN_VISIBLE = 0.8

Pixels = NDArray[np.float32]
Owners = NDArray[np.int16]

# Colours of the sky, at the zenith and at the horizon.
SKIES: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((8, 10, 32), (44, 52, 110)),
    ((20, 12, 48), (150, 70, 110)),
    ((12, 30, 58), (236, 150, 90)),
    ((4, 4, 12), (26, 18, 48)),
    ((6, 26, 44), (30, 120, 120)),
    ((40, 60, 120), (180, 170, 200)),
    ((50, 24, 60), (240, 170, 150)),
)


@dataclass(frozen=True)
class Box:
    """A labelled box in pixels of the picture: x1, y1 inclusive, x2, y2 exclusive edges."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Scene:
    """An RGB picture and the boxes of the visible part of every object in it."""

    image: Image.Image
    boxes: list[Box]


def generate(seed: int, size: tuple[int, int] | None = None) -> Scene:
    """The scene of a seed; `size` is (width, height) in pixels, else the seed decides it too."""
    pixels, owners, labels = compose(seed, size)
    boxes = []
    for index, label in enumerate(labels):
        mine = owners == index
        x1, x2 = _span(mine.any(axis=0))
        y1, y2 = _span(mine.any(axis=1))
        boxes.append(Box(label, x1, y1, x2, y2))
    return Scene(Image.fromarray(pixels), boxes)


def _span(occupied: NDArray[np.bool_]) -> tuple[float, float]:
    return float(occupied.argmax()), float(len(occupied) - occupied[::-1].argmax())


def compose(
    seed: int, size: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], Owners, list[str]]:
    """Paint a scene and keep who painted what.

    Returns the picture, uint8 [height, width, 3]; the owner of every pixel, int16
    [height, width], the index of an object or -1; and the labels, by that index.
    """
    rng = np.random.default_rng(seed)
    width, height = size or _pick_size(rng)
    canvas = _backdrop(rng, width, height)
    owners: Owners = np.full((height, width), -1, dtype=np.int16)
    totals: list[int] = []
    labels: list[str] = []
    for _ in range(int(rng.integers(FEWEST_OBJECTS, MOST_OBJECTS + 1))):
        label = NAMES[int(rng.integers(len(NAMES)))]
        total = _place(rng, label, canvas, owners, totals)
        if total:
            totals.append(total)
            labels.append(label)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    canvas += grain * np.float32(rng.uniform(0.0, 7.0))
    return np.clip(canvas, 0, 255).astype(np.uint8), owners, labels


def _pick_size(rng: np.random.Generator) -> tuple[int, int]:
    long = int(rng.integers(SHORTEST_SIDE, LONGEST_SIDE + 1))
    short = int(rng.integers(max(SHORTEST_SIDE, int(long / MAX_ASPECT)), long + 1))
    return (long, short) if rng.random() < 0.6 else (short, long)


def _place(
    rng: np.random.Generator, label: str, canvas: Pixels, owners: Owners, totals: list[int]
) -> int:
    """Paint one object where it hides little of the others; its mask in pixels, 0 if no room."""
    height, width = owners.shape
    smallest = SMALLEST * max(width, height)
    largest = 0.5 * min(width, height)
    for _ in range(12):
        extent = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
        tilt = TILT.get(label, np.pi)
        sprite = rasterise(DRAWERS[label](rng), extent, rng.uniform(-tilt, tilt))
        sheet = _lit(rng, np.asarray(sprite, dtype=np.float32))
        tall, wide = sheet.shape[:2]
        # Up to a tenth of an object may hang over the edge of the picture.
        left = int(rng.integers(-wide // 10, max(1, width - wide * 9 // 10)))
        top = int(rng.integers(-tall // 10, max(1, height - tall * 9 // 10)))
        total = int((sheet[..., 3] >= MASK_ALPHA).sum())
        rows = slice(max(0, top), min(height, top + tall))
        columns = slice(max(0, left), min(width, left + wide))
        sheet = sheet[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        mask = sheet[..., 3] >= MASK_ALPHA
        if mask.sum() < MIN_VISIBLE * total or _hides_too_much(mask, owners, rows, columns, totals):
            continue
        region = canvas[rows, columns]
        region += (sheet[..., :3] - region) * (sheet[..., 3:] / 255)
        owners[rows, columns][mask] = len(totals)
        return total
    return 0


def _hides_too_much(
    mask: NDArray[np.bool_], owners: Owners, rows: slice, columns: slice, totals: list[int]
) -> bool:
    count = len(totals)
    visible = np.bincount(owners[owners >= 0], minlength=count)
    covered = owners[rows, columns][mask]
    left = visible - np.bincount(covered[covered >= 0], minlength=count)
    return bool(np.any(left < MIN_VISIBLE * np.array(totals)))


def _lit(rng: np.random.Generator, sheet: Pixels) -> Pixels:
    """Shade an RGBA sprite (float32 [height, width, 4]) as if lit from a random side."""
    tall, wide = sheet.shape[:2]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.3)
    across = np.linspace(-1, 1, wide, dtype=np.float32) * np.float32(np.cos(angle))
    down = np.linspace(-1, 1, tall, dtype=np.float32) * np.float32(np.sin(angle))
    light = 1 - strength * 0.6 + strength * (across + down[:, None])
    lit: Pixels = sheet.copy()
    lit[..., :3] = np.clip(sheet[..., :3] * light[..., None] * rng.uniform(0.85, 1.05), 0, 255)
    return lit


def _backdrop(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Sky, haze, pinprick stars and clutter: everything that is not to be detected."""
    zenith, horizon = SKIES[int(rng.integers(len(SKIES)))]
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** np.float32(
        rng.uniform(0.7, 1.8)
    )
    above = np.array(zenith, dtype=np.float32)
    sky = above + (np.array(horizon, dtype=np.float32) - above) * ramp
    canvas: Pixels = np.repeat(sky, width, axis=1) * np.float32(rng.uniform(0.7, 1.2))
    canvas += _haze(rng, width, height)
    np.clip(canvas, 0, 255, out=canvas)
    image = Image.fromarray(canvas.astype(np.uint8))
    pen = ImageDraw.Draw(image, "RGBA")
    _pinpricks(rng, pen, width, height)
    for draw in (_clouds, _debris, _birds, _streaks):
        if rng.random() < 0.5:
            draw(rng, pen, width, height)
    if rng.random() < 0.65:
        (_hills if rng.random() < 0.5 else _harbour)(rng, pen, width, height)
    return np.asarray(image, dtype=np.float32).copy()


def _haze(rng: np.random.Generator, width: int, height: int) -> Pixels:
    cells = int(rng.integers(3, 8))
    strength = rng.uniform(0.0, 20.0)
    planes = [
        Image.fromarray(rng.normal(0, strength, (cells, cells)).astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for _ in range(3)
    ]
    return np.stack([np.asarray(plane, dtype=np.float32) for plane in planes], axis=-1)


def _pinpricks(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    count = int(rng.integers(0, 160))
    for x, y, glow in zip(
        rng.uniform(0, width, count), rng.uniform(0, height, count), rng.random(count), strict=True
    ):
        radius = 0.4 + 1.6 * glow**4
        colour = (*hsv(0.6 - 0.5 * glow, 0.25, 1.0), int(90 + 150 * glow))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _clouds(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    colour = hsv(rng.uniform(0.55, 0.95), rng.uniform(0.0, 0.3), rng.uniform(0.3, 0.9))
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(0.02, 0.07) * width
        for _ in range(int(rng.integers(4, 9))):
            px, py = x + rng.normal(0, 1.8) * size, y + rng.normal(0, 0.35) * size
            rx, ry = size * rng.uniform(0.8, 1.8), size * rng.uniform(0.4, 0.8)
            pen.ellipse((px - rx, py - ry, px + rx, py + ry), fill=(*colour, 60))


def _debris(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Rocks, discs and crates: shapes close enough to the objects to be worth telling apart."""
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = rng.uniform(0.01, 0.06) * max(width, height)
        corners = int(rng.choice([3, 4, 7, 9, 24]))
        rough = 0.0 if corners == 24 else 0.25
        angle = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, np.pi)
        reach = radius * (1 + rough * rng.uniform(-1, 1, corners))
        points = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1)
        colour = hsv(rng.random(), rng.uniform(0.0, 0.6), rng.uniform(0.25, 0.9))
        pen.polygon([(px, py) for px, py in points.tolist()], fill=(*colour, 255))


def _birds(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        span = rng.uniform(0.008, 0.025) * width
        wings = [(x - span, y - span * 0.5), (x, y), (x + span, y - span * 0.5)]
        pen.line(wings, fill=(20, 20, 30, 230), width=max(1, int(span / 5)))


def _streaks(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Thin trails, as of aeroplanes."""
    for _ in range(int(rng.integers(1, 4))):
        x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, np.pi)
        length = rng.uniform(0.1, 0.5) * width
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        colour = hsv(rng.random(), 0.2, 1.0)
        pen.line([(x, y), end], fill=(*colour, int(rng.integers(60, 180))), width=2)


def _hills(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    across = np.linspace(0, 1, 60)
    hue = rng.random()
    for depth in range(2):
        base = height * (rng.uniform(0.72, 0.84) + 0.08 * depth)
        rise = sum(
            rng.uniform(0.01, 0.05) * np.sin(2 * np.pi * (wave * across + rng.random()))
            for wave in (1, 2, 3.5, 6)
        )
        ridge = np.stack([across * width, base + rise * height], axis=1)
        points = [(0, height), *((x, y) for x, y in ridge.tolist()), (width, height)]
        pen.polygon(points, fill=(*hsv(hue, 0.4, 0.22 - 0.1 * depth), 255))


def _harbour(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """A quay of dark houses with lit windows, above water that glitters."""
    quay = height * rng.uniform(0.8, 0.92)
    x = 0.0
    while x < width:
        wide, tall = width * rng.uniform(0.03, 0.09), height * rng.uniform(0.04, 0.2)
        wall = hsv(rng.uniform(0.55, 0.75), 0.4, rng.uniform(0.08, 0.2))
        pen.rectangle((x, quay - tall, x + wide, quay), fill=(*wall, 255))
        pane = max(2.0, width * 0.008)
        for px in np.arange(x + pane, x + wide - pane, 2 * pane):
            for py in np.arange(quay - tall + pane, quay - pane, 2 * pane):
                if rng.random() < 0.35:
                    pen.rectangle((px, py, px + pane, py + pane), fill=(255, 214, 120, 220))
        x += wide
    pen.rectangle((0, quay, width, height), fill=(*hsv(rng.uniform(0.5, 0.65), 0.6, 0.25), 255))
    for _ in range(40):
        gx, gy = rng.uniform(0, width), rng.uniform(quay, height)
        pen.line([(gx, gy), (gx + width * 0.03, gy)], fill=(255, 220, 150, 70), width=2)
