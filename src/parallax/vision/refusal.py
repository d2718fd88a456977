"""How a picture is refused: every reason a decoder has leaves as ``BadImageError``."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from parallax.contract import errors

MAX_SIDE = 65_535
"""Pixels of a side, as in JPEG. Decoders and arrays over one side take memory by its length: a file
of some hundred kilobytes that is one pixel wide could otherwise claim gigabytes."""

_MAX_CAUSE = 200


def bad(cause: str) -> errors.BadImageError:
    """Return the error that says why a picture cannot be read."""
    return errors.BadImageError(errors.NOT_LOADED + cause)


@contextmanager
def named_failures() -> Iterator[None]:
    """Turn whatever a decoder raises or warns of into ``BadImageError`` or silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except errors.BadImageError:
            raise
        except Exception as problem:
            cause = str(problem)[:_MAX_CAUSE] or type(problem).__name__
            raise bad(cause) from problem


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Judge the width and height in a header.

    Raises:
        BadImageError: no pixels, more than ``max_pixels``, or a side beyond ``MAX_SIDE``.
    """
    width, height = size
    if width < 1 or height < 1:
        raise bad(f"the picture has no pixels ({width}x{height})")
    if width * height > max_pixels:
        raise bad(f"{width}x{height} is {width * height} pixels, the limit is {max_pixels} pixels")
    if max(width, height) > MAX_SIDE:
        raise bad(f"{width}x{height} has a side of more than {MAX_SIDE} pixels")
