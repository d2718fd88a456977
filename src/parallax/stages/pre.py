"""The pre stage: an encoded picture becomes the network's uint8 input, in place in a slab slot."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from parallax.contract import messages, spec
from parallax.contract.decoding import Decoding
from parallax.vision import canvas, decode, geometry, steps

Pixels = NDArray[np.uint8]


def prepare(
    data: bytes | memoryview,
    image: messages.ImageOptions,
    target: spec.InputSpec,
    max_pixels: int,
    out: Pixels,
    decoding: Decoding = Decoding.FAST,
) -> messages.Geometry:
    """Decode a picture and make it the network's input in ``out``.

    The steps are those of ``target`` that the client left on, in this order: orientation, crop,
    grayscale, contrast, resize (bilinear).

    Args:
        data: the encoded picture.
        image: what the client asked for.
        target: the network's input.
        max_pixels: largest picture that is decoded.
        out: uint8 (height, width, 3) of ``target``, RGB; every byte is written.
        decoding: whether a large picture may be decoded at a fraction of its size.

    Returns:
        How to map the network's pixels back to the original picture.

    Raises:
        BadImageError: the bytes are no picture we can decode, or it is too large.
    """
    wanted = _left_on(target, image)
    picture = decode.open_picture(data, max_pixels, auto_orient=wanted.auto_orient)
    frame, placed = geometry.fit(picture.width, picture.height, wanted)
    shown = canvas.inside(frame, out)
    if decoding is Decoding.EXACT or wanted.grayscale or wanted.contrast:
        area = geometry.seen(placed)
        pixels = _stepped(_decoded(picture, area), wanted)
        averaging = decoding is Decoding.FAST or wanted.resize == "fill"
        canvas.resize(pixels, frame, (area.left, area.top), shown, averaging=averaging)
    else:
        decode.read(picture, frame.width, frame.height, frame.source, shown)
    canvas.surround(frame, wanted, out)
    return placed


def _left_on(target: spec.InputSpec, image: messages.ImageOptions) -> spec.InputSpec:
    """Return the network's input without the steps that the client switched off."""
    return msgspec.structs.replace(
        target,
        auto_orient=target.auto_orient and image.auto_orient,
        crop=target.crop if image.static_crop else None,
        grayscale=target.grayscale and image.grayscale,
        contrast=target.contrast if image.contrast else None,
    )


def _decoded(picture: decode.Picture, area: messages.Crop) -> Pixels:
    """Return every pixel of an area."""
    pixels = decode.read(picture, picture.width, picture.height)
    return pixels[area.top : area.top + area.height, area.left : area.left + area.width]


def _stepped(pixels: Pixels, wanted: spec.InputSpec) -> Pixels:
    if wanted.grayscale:
        pixels = steps.grayscale(pixels)
    if wanted.contrast:
        pixels = steps.contrast(pixels, wanted.contrast)
    return pixels
