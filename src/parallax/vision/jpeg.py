"""The pixels of undamaged JPEGs, straight into an array.

Pillow decodes into an image of its own, and an array of that is two copies more. Pillow stays the
judge: it reads the header, and decodes whatever this module leaves alone. Both use libjpeg-turbo
and give the same values.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

Data = bytes | memoryview
Pixels = NDArray[np.uint8]

_MODES = frozenset({"RGB", "L"})
_SMALLEST = 64
"""Pixels of a side from which on a size belongs to one scale: libjpeg has scales of eighths."""


def pixels(data: Data, source: Image.Image, out: Pixels | None = None) -> Pixels | None:
    """Decode a JPEG at the size that its opened ``source`` has (``Image.draft`` changes it).

    Args:
        data: the file that ``source`` was opened from.
        source: not loaded.
        out: where to put them, if it is C-contiguous; None: into a new array.

    Returns:
        RGB (height, width, 3). None where Pillow has to see to it: it has four components or is
        damaged, if only a little; what is in ``out`` is undefined then.
    """
    direct = out if out is not None and out.flags.c_contiguous else None
    return _decoded(data, source, "RGB", direct)


def image(data: Data, source: Image.Image) -> Image.Image | None:
    """Decode likewise to an image of mode RGBX, which Pillow resizes without a copy before."""
    decoded = _decoded(data, source, "RGBX", None)
    if decoded is None:
        return None
    return Image.frombuffer("RGBX", source.size, decoded, "raw", "RGBX", 0, 1)


def _decoded(data: Data, source: Image.Image, order: str, out: Pixels | None) -> Pixels | None:
    width, height = source.size
    if source.mode not in _MODES or min(width, height) < _SMALLEST:
        return None
    try:
        decoded: Pixels = simplejpeg.decode_jpeg(
            data, order, min_width=width, min_height=height, buffer=out, strict=True
        )
    except (ValueError, TypeError):
        return None
    return decoded if decoded.shape[:2] == (height, width) else None
