"""What api and stage workers both know of decoding: how faithful it is, and how arrays are told
from pictures."""

from enum import StrEnum

NPY_SIGNATURE = b"\x93NUMPY"
"""How a ``.npy`` file starts."""


class Decoding(StrEnum):
    """How a picture gets to the network's size."""

    FAST = "fast"
    """A large JPEG is decoded at a fraction of its size, and shrinking averages pixels."""
    EXACT = "exact"
    """Every pixel is decoded, and resized as the tools resize that models are trained with."""
