"""How a picture is refused: every reason a decoder has leaves as ``BadImageError``."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from parallax.contract import errors

PREFIX = "Could not load input image. Cause: "

_MAX_CAUSE = 200


def bad(cause: str) -> errors.BadImageError:
    """Return the error that says why a picture cannot be read."""
    return errors.BadImageError(PREFIX + cause)


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
        BadImageError: no pixels, or more than ``max_pixels``.
    """
    width, height = size
    if width < 1 or height < 1:
        raise bad(f"the picture has no pixels ({width}x{height})")
    if width * height > max_pixels:
        raise bad(f"{width}x{height} is {width * height} pixels, the limit is {max_pixels} pixels")
