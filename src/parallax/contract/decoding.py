"""How faithfully pictures are decoded and resized: the choice between speed and the reference."""

from enum import StrEnum


class Decoding(StrEnum):
    """How a picture gets to the network's size."""

    FAST = "fast"
    """A large JPEG is decoded at a fraction of its size, and shrinking averages pixels."""
    EXACT = "exact"
    """Every pixel is decoded, and resized as the tools resize that models are trained with."""
