"""Pictures to send when nobody names any: drawn, but as heavy to decode as photographs.

What a JPEG costs hangs on its pixels and on its bytes per pixel, and a drawing has a tenth of the
bytes of a photograph. So each picture is a scene of the demo model, which a detector finds objects
in, with what a camera adds: lenses blur edges, surfaces have texture whose amplitude falls with
spatial frequency (the 1/f law of natural pictures: D. J. Field, "Relations between the statistics
of natural images and the response properties of cortical cells", 1987), and sensors have noise.
"""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from parallax.demo import scenes

Size = tuple[int, int]
"""Width and height in pixels."""

VGA, HD, FULL_HD, PHONE = (640, 480), (1280, 720), (1920, 1080), (4000, 3000)

MIX: tuple[Size, ...] = (
    *(VGA, HD, FULL_HD, VGA, HD, VGA, FULL_HD, HD),
    *(PHONE, VGA, HD, FULL_HD, VGA, HD, FULL_HD, VGA),
)
"""Who sends pictures: machine-vision cameras (6 of 16), video cameras (5 and 4), phones (1). The
phone's picture has nearly half of all pixels, so a larger share of them would measure little but
its decoding. Sizes alternate, so that a short run sees the same mix."""

QUALITIES = (85, 92)
"""Least and highest JPEG quality, as cameras choose it."""

_DRAWN_SIDE = 960
"""Scenes are drawn at most this large, and then enlarged: that is quick, and softens their edges
as a lens does."""
_TILE = 1024
_TEXTURE = (4.0, 9.0)
"""Least and most standard deviation of the texture, in levels of 255."""
_NOISE = (2.6, 4.0)
"""The same of the sensor's noise."""
_DARKEST = 20
"""Level of black: lenses scatter light. It also keeps the noise of dark parts, which would be cut
off at 0."""
_CHANNEL_GAINS = (1.05, 0.9, 1.2)
"""A sensor is noisiest in blue and least noisy in green, which has twice the cells."""

Plane = NDArray[np.float32]


def encoded(seed: int = 0, sizes: Sequence[Size] = MIX) -> list[bytes]:
    """Return one JPEG (4:2:0, no metadata) of each size, in order; a seed makes the same again."""
    rng = np.random.default_rng(seed)
    tile = _texture(rng)
    return [_photograph(rng, tile, size) for size in sizes]


def _photograph(rng: np.random.Generator, tile: Plane, size: Size) -> bytes:
    drawn = _scene(int(rng.integers(1 << 31)), size)
    surfaces = _surfaces(rng, tile, size) + np.float32(_DARKEST)
    grain = rng.standard_normal(size[::-1], dtype=np.float32) * np.float32(rng.uniform(*_NOISE))
    channels = []
    for band, gain in zip(drawn.split(), _CHANNEL_GAINS, strict=True):
        plane = (
            np.asarray(band) * np.float32(1 - _DARKEST / 255) + surfaces + grain * np.float32(gain)
        )
        channels.append(Image.fromarray(np.clip(plane, 0, 255, out=plane).astype(np.uint8)))
    image = Image.merge("RGB", channels)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(QUALITIES[0], QUALITIES[1] + 1)))
    return stream.getvalue()


def _scene(seed: int, size: Size) -> Image.Image:
    """Return a scene with objects."""
    shrink = min(1.0, _DRAWN_SIDE / max(size))
    drawn = scenes.generate(seed, (round(size[0] * shrink), round(size[1] * shrink))).image
    return drawn.resize(size, Image.Resampling.BICUBIC)


def _texture(rng: np.random.Generator) -> Plane:
    """Return a field with amplitudes of 1/f, mean 0 and standard deviation 1, whose edges fit."""
    down, across = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf  # no constant part
    spectrum = np.fft.rfft2(rng.standard_normal((_TILE, _TILE))) / frequency
    field = np.fft.irfft2(spectrum, s=(_TILE, _TILE))
    return np.asarray(field / field.std(), np.float32)


def _surfaces(rng: np.random.Generator, tile: Plane, size: Size) -> Plane:
    """Return texture that is strong in some parts of the picture and weak in others."""
    width, height = size
    strength = Image.fromarray(_cut(rng, tile, (width // 8, height // 8)))
    where = np.asarray(strength.resize(size, Image.Resampling.BILINEAR))
    weak, strong = _TEXTURE
    amplitude = np.float32(weak) + np.float32(strong - weak) * np.clip(where, 0, 1)
    surfaces: Plane = _cut(rng, tile, size) * amplitude
    return surfaces


def _cut(rng: np.random.Generator, tile: Plane, size: Size) -> Plane:
    """Return a piece of the endlessly repeated tile, float32 (height, width)."""
    columns, rows = (np.arange(side) + rng.integers(_TILE) for side in size)
    return np.asarray(tile[np.ix_(rows % _TILE, columns % _TILE)], np.float32)
