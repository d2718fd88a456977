"""The objects of the demo scenes, as flat vector drawings.

They are drawn by code, so the demo needs no picture files, no fonts and no network, and so the
mask of every object (hence its box) is known exactly.

A drawing is a list of layers painted in order. It lives in a unit frame, x to the right and y
down, of any extent: :func:`rasterise` turns, scales and crops it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

SUPERSAMPLE = 3


@dataclass(frozen=True)
class Layer:
    """A filled polygon: points float64 [n, 2] in the unit frame, colour 0..255, alpha 0..255."""

    points: Points
    colour: Colour
    alpha: int = 255


Drawing = list[Layer]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """The RGB colour 0..255 of a hue (in turns, wraps round), saturation and value (0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def polygon(*corners: tuple[float, float]) -> Points:
    """Corners as a float64 [n, 2] array."""
    return np.array(corners, dtype=np.float64)


def arc(
    centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float
) -> Points:
    """Points float64 [n, 2] along an axis-aligned ellipse, from angle start to stop (radians)."""
    count = max(3, int(abs(stop - start) * 10))
    angle = np.linspace(start, stop, count)
    return np.stack(
        [centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=1
    )


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """The outline of a whole ellipse, float64 [n, 2]."""
    return arc((x, y), (rx, ry), 0.0, 2 * np.pi)


def _rocket(rng: np.random.Generator) -> Drawing:
    hull = hsv(rng.random(), rng.uniform(0.0, 0.25), rng.uniform(0.8, 1.0))
    accent_hue = rng.random()
    accent = hsv(accent_hue, 0.85, 0.9)
    width = rng.uniform(0.28, 0.38)
    height = np.linspace(-1.0, 0.55, 24)
    half = width * np.sin(np.pi * (height + 1.0) / 2.35) ** 0.7
    body = np.stack([np.concatenate([half, -half[::-1]]), np.concatenate([height, height[::-1]])])
    nose = height <= -0.5
    cap = np.stack(
        [
            np.concatenate([half[nose], -half[nose][::-1]]),
            np.concatenate([height[nose], height[nose][::-1]]),
        ]
    )
    flame = rng.uniform(0.8, 1.05)
    drawing = [
        Layer(polygon((-0.2, 0.5), (0.2, 0.5), (0.0, flame)), (255, 120, 30)),
        Layer(polygon((-0.1, 0.5), (0.1, 0.5), (0.0, flame - 0.18)), (255, 225, 110)),
    ]
    for side in (-1.0, 1.0):
        fin = polygon((0.2, 0.1), (0.58, 0.5), (0.55, 0.75), (0.18, 0.55)) * (side, 1.0)
        drawing.append(Layer(fin, hsv(accent_hue, 0.85, 0.7)))
    return [
        *drawing,
        Layer(body.T, hull),
        Layer(cap.T, accent),
        Layer(ellipse(0.0, -0.18, width * 0.62, width * 0.62), accent),
        Layer(ellipse(0.0, -0.18, width * 0.44, width * 0.44), (70, 130, 190)),
        Layer(ellipse(-0.04, -0.22, width * 0.15, width * 0.15), (210, 235, 255)),
    ]


def _star(rng: np.random.Generator) -> Drawing:
    hue = rng.choice([rng.uniform(0.08, 0.17), rng.random()])
    inner = rng.uniform(0.42, 0.52)
    angle = np.arange(10) * np.pi / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2 == 0, 1.0, inner)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    drawing = [
        Layer(outline, hsv(hue, 0.8, 0.9)),
        Layer(outline * 0.78, hsv(hue, rng.uniform(0.3, 0.65), 1.0)),
    ]
    if rng.random() < 0.6:
        drawing += [Layer(ellipse(x, -0.06, 0.07, 0.1), (50, 35, 40)) for x in (-0.17, 0.17)]
        drawing.append(Layer(arc((0.0, 0.12), (0.16, 0.13), 0.0, np.pi), (130, 40, 50)))
    return drawing


def _ring(start: float, stop: float, colour: Colour, outer: float) -> Layer:
    flat = 0.3
    outward = arc((0.0, 0.0), (outer, outer * flat), start, stop)
    inward = arc((0.0, 0.0), (outer * 0.74, outer * 0.74 * flat), stop, start)
    return Layer(np.concatenate([outward, inward]), colour)


def _planet(rng: np.random.Generator) -> Drawing:
    hue = rng.random()
    globe = hsv(hue, rng.uniform(0.4, 0.8), rng.uniform(0.6, 0.95))
    ring = hsv(hue + rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.55), rng.uniform(0.75, 1.0))
    outer = rng.uniform(1.0, 1.2)
    drawing = [_ring(np.pi, 2 * np.pi, ring, outer), Layer(ellipse(0, 0, 0.62, 0.62), globe)]
    for _ in range(int(rng.integers(1, 4))):
        low = rng.uniform(-0.5, 0.35)
        edge = np.array([low, low + rng.uniform(0.08, 0.18)])
        half = np.sqrt(0.61**2 - edge**2)
        band = polygon(
            (-half[0], edge[0]), (half[0], edge[0]), (half[1], edge[1]), (-half[1], edge[1])
        )
        drawing.append(Layer(band, hsv(hue + rng.uniform(-0.08, 0.08), 0.6, rng.uniform(0.5, 1))))
    drawing.append(_ring(0.0, np.pi, ring, outer))
    return drawing


def _moon(rng: np.random.Generator) -> Drawing:
    hue = rng.uniform(0.1, 0.17) if rng.random() < 0.6 else rng.random()
    face = hsv(hue, rng.uniform(0.05, 0.45), rng.uniform(0.85, 1.0))
    open_angle = rng.uniform(0.95, 1.2)
    bite = rng.uniform(0.25, 0.5)
    outer = arc((0.0, 0.0), (1.0, 1.0), open_angle, 2 * np.pi - open_angle)
    tip = np.array([np.cos(open_angle), np.sin(open_angle)])
    reach = tip[0] + bite
    # The bite is a circle through both tips of the crescent, with its leftmost point at -bite.
    radius = (reach**2 + tip[1] ** 2) / (2 * reach)
    turn = np.arctan2(tip[1], tip[0] - (radius - bite))
    inner = arc((radius - bite, 0.0), (radius, radius), 2 * np.pi - turn, turn)
    drawing = [Layer(np.concatenate([outer, inner]), face)]
    shade = hsv(hue, 0.4, 0.72)
    for x, y in ((-0.72, -0.25), (-0.68, 0.3), (-0.45, -0.68)):
        size = rng.uniform(0.04, 0.1)
        drawing.append(Layer(ellipse(x, y, size, size), shade))
    return drawing


def _ufo(rng: np.random.Generator) -> Drawing:
    metal = hsv(rng.random(), rng.uniform(0.05, 0.55), rng.uniform(0.6, 0.85))
    glass = hsv(rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.6), rng.uniform(0.8, 1.0))
    thick = rng.uniform(0.26, 0.34)
    dome = arc((0.0, -0.08), (0.46, rng.uniform(0.42, 0.56)), np.pi, 2 * np.pi)
    under = (metal[0] * 3 // 5, metal[1] * 3 // 5, metal[2] * 3 // 5)
    lamp_hue = rng.random()
    drawing = [
        Layer(dome, glass),
        Layer(ellipse(0.0, -0.25, 0.14, 0.17), hsv(0.33, 0.7, 0.6)),
        Layer(ellipse(0.0, 0.22, 0.45, 0.16), under),
        Layer(ellipse(0.0, 0.05, 1.0, thick), under),
        Layer(ellipse(0.0, 0.0, 0.98, thick * 0.8), metal),
    ]
    for index, x in enumerate(np.linspace(-0.7, 0.7, 5)):
        y = 0.05 + 0.1 * (1.0 - abs(x))
        lamp = hsv(lamp_hue + 0.15 * index, 0.7, 1.0)
        drawing.append(Layer(ellipse(float(x), y, 0.09, 0.07), lamp))
    return drawing


def _comet(rng: np.random.Generator) -> Drawing:
    hue = rng.choice([rng.uniform(0.48, 0.62), rng.uniform(0.02, 0.14), rng.random()])
    length = rng.uniform(1.5, 2.1)
    drawing = []
    # The faintest strand stays well above the mask's threshold: a tail that faded to nothing
    # would have no true end to put a box at.
    for reach, spread, alpha in ((1.0, 0.34, 150), (0.82, 0.25, 190), (0.6, 0.16, 225)):
        tip = length * reach
        strand = polygon(
            (0.0, -0.36), (tip * 0.55, -spread * 0.8), (tip, -spread * 0.45),
            (tip * 0.88, 0.0), (tip * 0.97, spread * 0.5), (tip * 0.5, spread * 0.85), (0.0, 0.36),
        )  # fmt: skip
        drawing.append(Layer(strand, hsv(hue, 0.75 - 0.2 * (1 - reach), 0.95), alpha))
    core = hsv(hue, 0.2, 1.0)
    return [
        *drawing,
        Layer(ellipse(0.0, 0.0, 0.38, 0.38), hsv(hue, 0.5, 1.0)),
        Layer(ellipse(-0.05, 0.0, 0.26, 0.26), core),
    ]


def _satellite(rng: np.random.Generator) -> Drawing:
    foil = hsv(rng.uniform(0.08, 0.15), rng.uniform(0.1, 0.7), rng.uniform(0.7, 0.95))
    panel_hue = rng.uniform(0.5, 0.72)
    panel = hsv(panel_hue, 0.75, rng.uniform(0.5, 0.8))
    trim = hsv(panel_hue, 0.25, 0.9)
    tall = rng.uniform(0.22, 0.3)
    drawing = [Layer(polygon((-0.4, -0.04), (0.4, -0.04), (0.4, 0.04), (-0.4, 0.04)), trim)]
    for side in (-1.0, 1.0):
        frame = polygon((0.36, -tall), (1.1, -tall), (1.1, tall), (0.36, tall)) * (side, 1.0)
        drawing.append(Layer(frame, trim))
        for x in (0.39, 0.63, 0.87):
            for top, bottom in ((-tall + 0.03, -0.015), (0.015, tall - 0.03)):
                cell = polygon((x, top), (x + 0.2, top), (x + 0.2, bottom), (x, bottom))
                drawing.append(Layer(cell * (side, 1.0), panel))
    dish = arc((0.0, -0.52), (0.3, 0.2), 0.0, np.pi)
    return [
        *drawing,
        Layer(polygon((-0.04, -0.5), (0.04, -0.5), (0.04, -0.2), (-0.04, -0.2)), trim),
        Layer(dish, (225, 228, 235)),
        Layer(polygon((-0.24, -0.3), (0.24, -0.3), (0.24, 0.38), (-0.24, 0.38)), foil),
        Layer(polygon((-0.24, 0.02), (0.24, 0.02), (0.24, 0.1), (-0.24, 0.1)), (90, 80, 90)),
    ]


def _balloon(rng: np.random.Generator) -> Drawing:
    first, second = rng.random(), rng.random()
    colours = (hsv(first, 0.8, 0.95), hsv(second, rng.uniform(0.1, 0.7), 1.0))
    around = np.linspace(0.0, 1.0, 24)
    height = -0.35 - 0.65 * np.cos(np.pi * around)
    half = 0.66 * np.sin(np.pi * around) ** 0.8
    half = np.maximum(half, np.where(around > 0.5, 0.14, 0.0))
    stripes = 7
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, stripes + 1))
    rope = (120, 95, 75)
    drawing = []
    for x in (-0.13, 0.13):
        cord = polygon((x - 0.02, 0.25), (x + 0.02, 0.25), (x * 0.9 + 0.02, 0.7), (x * 0.9, 0.7))
        drawing.append(Layer(cord, rope))
    for index in range(stripes):
        left = np.stack([half * edges[index], height], axis=1)
        right = np.stack([half * edges[index + 1], height], axis=1)
        drawing.append(Layer(np.concatenate([left, right[::-1]]), colours[index % 2]))
    basket = polygon((-0.19, 0.62), (0.19, 0.62), (0.15, 0.92), (-0.15, 0.92))
    rim = polygon((-0.21, 0.6), (0.21, 0.6), (0.21, 0.68), (-0.21, 0.68))
    return [*drawing, Layer(basket, (150, 100, 55)), Layer(rim, rope)]


DRAWERS: dict[str, Callable[[np.random.Generator], Drawing]] = {
    "rocket": _rocket,
    "star": _star,
    "planet": _planet,
    "moon": _moon,
    "ufo": _ufo,
    "comet": _comet,
    "satellite": _satellite,
    "balloon": _balloon,
}

# Flying saucers and balloons look wrong upside down; the largest tilt either way, in radians.
TILT: dict[str, float] = {"ufo": 0.5, "balloon": 0.3}


def rasterise(drawing: Drawing, extent: float, angle: float) -> Image.Image:
    """Paint a drawing turned by `angle` (radians), its longer side `extent` pixels, as RGBA."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    outlines = [layer.points @ turn for layer in drawing]
    everything = np.concatenate(outlines)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = extent / float((high - low).max())
    width, height = (int(side) for side in np.ceil((high - low) * scale) + 2)
    canvas = Image.new("RGBA", (width * SUPERSAMPLE, height * SUPERSAMPLE))
    pen = ImageDraw.Draw(canvas)
    for layer, outline in zip(drawing, outlines, strict=True):
        # One pixel of margin, so that the edge is smoothed rather than cut.
        pixels = ((outline - low) * scale + 1.0) * SUPERSAMPLE
        pen.polygon([(x, y) for x, y in pixels.tolist()], fill=(*layer.colour, layer.alpha))
    return canvas.resize((width, height), Image.Resampling.BOX)
