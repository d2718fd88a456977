"""What can go wrong with a measurement itself, apart from wrong answers, which are counted."""

from typing import ClassVar

from parallax.contract import errors


class BenchError(errors.ParallaxError):
    """The measurement cannot be done or cannot be trusted; the message says why."""

    code: ClassVar[str] = "bench"
