"""A picture with what was found drawn on it: a canvas, a few kinds of ink, and a JPEG at the end.

All coordinates given to a canvas are pixels of the original picture; a large picture is drawn on a
reduced copy of it, and only the canvas knows by how much.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from parallax.contract import errors
from parallax.vision import masks

Color = tuple[int, int, int]
"""Blue, green, red."""

MAX_PIXELS = 25_000_000
"""Larger pictures are drawn on a copy of this size: a few times what a screen shows."""
MAX_SIDE = 32_000
"""Below the limits of JPEG (65,535) and of OpenCV's drawing functions (32,767)."""
MOST_OBJECTS = 500
"""Only so many are drawn, the surest; a picture with more shows nothing any more."""
MOST_FILLED = 32
"""Masks are filled until they have covered the canvas so many times."""
QUALITY = 90
"""Of the JPEG, as in Roboflow's answers."""

_PALETTE = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45",
    "#ffe119", "#469990", "#9a6324", "#800000", "#808000", "#000075", "#fabed4", "#aaffc3",
)  # fmt: skip
_OPACITY = 0.45
"""Of a filled mask."""
_MAX_STROKE = 100
_MAX_LABEL = 60
_REPEATING = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
_REPEATING += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
"""For a PNG of an enlarged map, in which rows repeat: smaller and sooner done than as usual."""
_ROWS = 256
"""Of a class map that are coloured at a time."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of the canvas for a picture of these."""
    scale = min(1.0, math.sqrt(MAX_PIXELS / (width * height)), MAX_SIDE / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def color(class_id: int, given: Sequence[str]) -> Color:
    """Return the colour of a class: the given ``#rrggbb``, else one of a fixed palette."""
    text = given[class_id] if 0 <= class_id < len(given) else ""
    if not _is_color(text):
        text = _PALETTE[class_id % len(_PALETTE)]
    value = int(text[1:], 16)
    return value & 255, value >> 8 & 255, value >> 16


def _is_color(text: str) -> bool:
    digits = set("0123456789abcdefABCDEF")
    return len(text) == 7 and text[0] == "#" and set(text[1:]) <= digits


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture that is drawn on: ``pixels`` is uint8 (height, width, 3), blue, green, red."""

    pixels: NDArray[np.uint8]
    scale_x: float
    """Pixels of the canvas per pixel of the picture."""
    scale_y: float
    stroke: int

    def box(self, corners: Sequence[float], ink: Color, text: str = "") -> None:
        """Draw a box (x1, y1, x2, y2), with a label in its upper left corner."""
        left, top = self._at(corners[0], corners[1])
        right, bottom = self._at(corners[2], corners[3])
        cv2.rectangle(self.pixels, (left, top), (right, bottom), ink, self.stroke)
        if text:
            self._label(text, left, top, ink)

    def fill(self, found: Sequence[tuple[masks.Mask, Color]]) -> None:
        """Fill the pixels of objects, the surest first, so that the picture shows through."""
        room = MOST_FILLED * self.pixels.size
        for mask, ink in found[:MOST_OBJECTS]:
            room -= self._fill(mask, ink)
            if room < 0:
                return

    def _fill(self, mask: masks.Mask, ink: Color) -> int:
        """Fill one mask; return how many values were looked at."""
        at = mask.window
        left, top = self._at(at.left, at.top)
        right, bottom = self._at(at.left + at.width, at.top + at.height)
        part = self.pixels[top:bottom, left:right]
        if part.size:
            inside = mask.pixels.view(np.uint8)
            filled = cv2.resize(inside, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            cv2.copyTo(cv2.LUT(part, _tint(ink)), filled, part)
        return part.size

    def regions(
        self, classes: NDArray[np.uint8], inks: Sequence[Color], background: int = 0
    ) -> None:
        """Fill every pixel that is not background.

        Args:
            classes: (height, width) of the canvas, class ids.
            inks: colours by class id.
            background: the class id that stays as it is.
        """
        table = np.array(inks, dtype=np.uint8)
        for top in range(0, len(classes), _ROWS):
            rows = classes[top : top + _ROWS]
            part, inside = self.pixels[top : top + _ROWS], (rows != background).view(np.uint8)
            blended = cv2.addWeighted(part, 1.0 - _OPACITY, table[rows], _OPACITY, 0.0)
            cv2.copyTo(blended, inside, part)

    def skeleton(
        self,
        points: dict[int, tuple[float, float]],
        edges: Sequence[tuple[int, int]],
        ink: Color,
    ) -> None:
        """Draw keypoints by index, and the edges between those that are there."""
        places = {index: self._at(x, y) for index, (x, y) in points.items()}
        for begin, end in edges:
            if begin in places and end in places:
                cv2.line(self.pixels, places[begin], places[end], ink, self.stroke, cv2.LINE_AA)
        for place in places.values():
            cv2.circle(self.pixels, place, self.stroke + 2, ink, cv2.FILLED, cv2.LINE_AA)

    def caption(self, lines: Sequence[tuple[str, Color]]) -> None:
        """Write lines of text into the upper left corner."""
        top = 0
        for text, ink in lines:
            top += self._label(text, 0, top, ink, above=False)

    def jpeg(self) -> bytes:
        """Return the canvas as a JPEG.

        Raises:
            InternalError: it cannot be encoded.
        """
        return _encoded(".jpg", self.pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])

    def _at(self, x: float, y: float) -> tuple[int, int]:
        height, width = self.pixels.shape[:2]
        return (
            min(max(round(x * self.scale_x), 0), width),
            min(max(round(y * self.scale_y), 0), height),
        )

    def _label(self, text: str, left: int, top: int, ink: Color, *, above: bool = True) -> int:
        """Write text on a filled background, above a line where there is room; return its
        height."""
        text = text[:_MAX_LABEL].encode("ascii", "replace").decode("ascii")
        height, width = self.pixels.shape[:2]
        font = min(max(min(height, width) / 1200, 0.4), 2.0)
        weight = max(1, round(font * 1.5))
        (wide, high), below = cv2.getTextSize(text, _FONT, font, weight)
        tall = high + below + 4
        if above and top >= tall:
            top -= tall
        left = max(0, min(left, width - wide - 4))
        cv2.rectangle(self.pixels, (left, top), (left + wide + 4, top + tall), ink, cv2.FILLED)
        blue, green, red = ink
        bright = 0.114 * blue + 0.587 * green + 0.299 * red > 140
        black_or_white = (0, 0, 0) if bright else (255, 255, 255)
        place = (left + 2, top + high + 2)
        cv2.putText(self.pixels, text, place, _FONT, font, black_or_white, weight, cv2.LINE_AA)
        return tall


def canvas(image: NDArray[np.uint8], width: int, height: int, stroke: int) -> Canvas:
    """Return a canvas for a picture.

    Args:
        image: (h, w, 3) the picture as RGB, in the size that ``size`` gives for it.
        width: of the picture itself, in pixels.
        height: likewise.
        stroke: width of lines, in pixels of the canvas.
    """
    pixels = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    scales = image.shape[1] / width, image.shape[0] / height
    return Canvas(pixels, *scales, min(max(stroke, 1), _MAX_STROKE))


def png(values: NDArray[np.uint8]) -> bytes:
    """Return (height, width) values as a grey PNG of 8 bits.

    Raises:
        InternalError: they cannot be encoded.
    """
    return _encoded(".png", values, _REPEATING)


def _tint(ink: Color) -> NDArray[np.uint8]:
    """Return what each value of each channel becomes under a transparent ink."""
    values = np.arange(256)[:, None, None] * (1.0 - _OPACITY) + np.array(ink) * _OPACITY
    return np.rint(values).astype(np.uint8)


def _encoded(suffix: str, pixels: NDArray[np.uint8], options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise errors.InternalError("the picture could not be encoded")
    return data.tobytes()
