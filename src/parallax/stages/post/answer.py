"""What a task makes of one picture, before it is written down: JSON fields, and a way to draw
them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from parallax.vision import draw


@dataclass(frozen=True, slots=True)
class Answer:
    """One picture's answer."""

    fields: Mapping[str, object]
    """What stands beside ``image`` in the JSON."""
    paint: Callable[[draw.Canvas], None]
    """Draws the same onto the picture."""
