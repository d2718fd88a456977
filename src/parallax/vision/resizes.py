"""How a picture is brought to the network's size, one function for each way that models know.

* ``letterbox``: scaled by ``min(W / w, H / h)``, size rounded, the picture centred; an odd pixel of
  padding goes right and below (Ultralytics, ``LetterBox`` in ``data/augment.py``: pads are
  ``round(pad / 2 - 0.1)``). Each axis has the scale that it got by the rounding, as in
  ``scale_boxes`` of ``utils/ops.py`` since version 8.4; one scale for both is off by up to half a
  network pixel.
* ``letterbox-reflect``: the same place; only the borders differ.
* ``letterbox-top-left``: the same scale, size truncated, the picture at (0, 0) (YOLOX,
  ``preproc`` in ``data/data_augment.py``).
* ``stretch``: each axis scaled on its own.
* ``fill``: scaled until it covers the input, the longer side truncated, then the middle
  (torchvision, ``Resize`` of the shorter side and ``CenterCrop``).
* ``center-crop``: not scaled; the middle, with padding where the picture is smaller
  (torchvision, ``CenterCrop``).

``w x h`` is the (cropped) picture, ``W x H`` the network's input.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placed:
    """Where all of the picture would lie after scaling; it may overhang the network's input."""

    left: int
    top: int
    width: int
    height: int
    scale_x: float
    scale_y: float


Sizes = tuple[int, int, int, int]
"""w, h, W, H."""


def _letterbox(sizes: Sizes) -> Placed:
    width, height, net_w, net_h = sizes
    scale = min(net_w / width, net_h / height)
    inner_w = min(net_w, max(1, round(width * scale)))
    inner_h = min(net_h, max(1, round(height * scale)))
    left = max(0, round((net_w - inner_w) / 2 - 0.1))
    top = max(0, round((net_h - inner_h) / 2 - 0.1))
    return Placed(left, top, inner_w, inner_h, inner_w / width, inner_h / height)


def _letterbox_top_left(sizes: Sizes) -> Placed:
    width, height, net_w, net_h = sizes
    scale = min(net_w / width, net_h / height)
    # Truncating may lose the last pixel of a picture that fits exactly but for a float's error.
    inner_w = min(net_w, max(1, int(width * scale + 1e-6)))
    inner_h = min(net_h, max(1, int(height * scale + 1e-6)))
    return Placed(0, 0, inner_w, inner_h, scale, scale)


def _stretch(sizes: Sizes) -> Placed:
    width, height, net_w, net_h = sizes
    return Placed(0, 0, net_w, net_h, net_w / width, net_h / height)


def _fill(sizes: Sizes) -> Placed:
    width, height, net_w, net_h = sizes
    if net_w * height >= net_h * width:
        inner_w, inner_h = net_w, net_w * height // width
    else:
        inner_w, inner_h = net_h * width // height, net_h
    left, top = _centred(inner_w, net_w), _centred(inner_h, net_h)
    return Placed(left, top, inner_w, inner_h, inner_w / width, inner_h / height)


def _center_crop(sizes: Sizes) -> Placed:
    width, height, net_w, net_h = sizes
    return Placed(_centred(width, net_w), _centred(height, net_h), width, height, 1.0, 1.0)


def _centred(inner: int, outer: int) -> int:
    """Return where a side starts in the network's; negative where it overhangs.

    The halves of odd pixels fall as they do in torchvision's ``center_crop``.
    """
    return (outer - inner) // 2 if inner <= outer else -round((inner - outer) / 2)


PLACES: dict[str, Callable[[Sizes], Placed]] = {
    "letterbox": _letterbox,
    "letterbox-top-left": _letterbox_top_left,
    "letterbox-reflect": _letterbox,
    "stretch": _stretch,
    "fill": _fill,
    "center-crop": _center_crop,
}
