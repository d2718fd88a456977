"""What a family is: one head layout, recognised by its shapes and decoded by one function.

A family writes its decoding once, over the small protocol ``Ops``. ``models.graph`` implements the
protocol by appending nodes to an ONNX graph, so that decoding runs where the network runs;
``models.families.arrays`` implements it with NumPy, for graphs that cannot be extended. The stage
workers import the families, so nothing here knows the ``onnx`` package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from parallax.contract import spec

Shape = tuple[int | None, ...]
"""Shape of a network output; None where it is not known before the run."""

Constant = NDArray[np.float32] | NDArray[np.int64]

PREFIX = "parallax/"
"""Starts the name of everything that is added to a graph, so that it cannot collide with the
model's own names."""

MAX_CANDIDATES = 3000
"""Best boxes of a picture that reach suppression; the default of the Roboflow request schema."""

V = TypeVar("V")
"""A tensor: its name in a graph under construction, or an array."""


class Ops(Protocol[V]):
    """The operations that decoding is written in, on float32; each returns its result."""

    def constant(self, array: Constant) -> V:
        """Return a tensor with this content."""
        ...

    def add(self, a: V, b: V) -> V:
        """Return a + b, broadcast."""
        ...

    def subtract(self, a: V, b: V) -> V:
        """Return a - b, broadcast."""
        ...

    def multiply(self, a: V, b: V) -> V:
        """Return a * b, broadcast."""
        ...

    def exponential(self, a: V) -> V:
        """Return e to the power of a."""
        ...

    def sigmoid(self, a: V) -> V:
        """Return 1 / (1 + exp(-a))."""
        ...

    def softmax(self, a: V, axis: int) -> V:
        """Return exp(a) / sum(exp(a)) along the last axis, whose (positive) number is ``axis``."""
        ...

    def transpose(self, a: V, order: Sequence[int]) -> V:
        """Return a with its axes in this order."""
        ...

    def cut(self, a: V, axis: int, start: int, end: int) -> V:
        """Return a[start:end] along an axis."""
        ...

    def join(self, values: Sequence[V], axis: int) -> V:
        """Return the values one after the other along an axis."""
        ...

    def reshape(self, a: V, shape: Sequence[int]) -> V:
        """Return a with this shape; 0 stands for the size that the same axis of a has."""
        ...

    def expand(self, a: V, shape: Sequence[int]) -> V:
        """Return a, broadcast against this shape."""
        ...

    def largest(self, a: V, axis: int) -> tuple[V, V]:
        """Return the maximum along an axis, which is kept, and its position."""
        ...

    def resize(self, a: V, height: int, width: int) -> V:
        """Return planes (N, C, h, w) resampled bilinearly, pixel centres at half numbers."""
        ...

    def to_bytes(self, a: V) -> V:
        """Return a as uint8, truncated."""
        ...


@dataclass(frozen=True, slots=True)
class Rows(Generic[V]):
    """A head of boxes in common terms: N items, A rows, float32."""

    boxes: V
    """(N, A, 4) centre x, centre y, width, height in network pixels."""
    scores: V
    """(N, A, 1) score of the row's class."""
    classes: V
    """(N, A, 1) class id."""
    count: int
    """A."""
    extras: V | None = None
    """(N, A, E) mask coefficients, or the index of the row's map, or keypoints as x, y, score."""
    maps: V | None = None
    """(N, P, h, w) prototypes, or mask logits that rows point at; they cover the input."""


@dataclass(frozen=True, slots=True)
class Scores(Generic[V]):
    """A head of classification."""

    values: V
    """(N, C) activated score of each class, float32."""


@dataclass(frozen=True, slots=True)
class Pixels(Generic[V]):
    """A head of semantic segmentation; covers the input at its size."""

    classes: V
    """(N, H, W) uint8 class id."""
    confidence: V
    """(N, H, W) uint8: 255 times the probability of that class, truncated."""


Head = Rows[V] | Scores[V] | Pixels[V]


@dataclass(frozen=True, slots=True)
class Defaults:
    """How the networks of a family were trained to see a picture, where the package does not say.

    The network's input is ``(pixel / scale - mean) / std`` per channel.
    """

    resize: str = "letterbox"
    padding: int = 114
    color: str = "rgb"
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    side: int = 640
    """Pixels of the input's side, where neither the graph nor the package says it."""
    confidence: float = 0.4
    """What a client that asks for the model's own threshold gets."""


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Per-channel statistics (RGB, 0 to 1) of the data set most backbones were trained on."""


class Family(Protocol):
    """One head layout for one task. Implementations are stateless."""

    @property
    def name(self) -> str:
        """The word for it in ``model.toml`` and in messages; families of several tasks share
        it."""
        ...

    @property
    def task(self) -> str:
        """One of ``contract.tasks.ALL``."""
        ...

    @property
    def architectures(self) -> tuple[str, ...]:
        """Beginnings of the architecture names (lower case) that other tools give such models."""
        ...

    @property
    def defaults(self) -> Defaults:
        """What the network expects at its input."""
        ...

    @property
    def suppress(self) -> bool:
        """Whether the rows still hold several boxes for one object."""
        ...

    @property
    def top(self) -> int:
        """Most rows of a picture that leave a fused graph."""
        ...

    def recognise(
        self, outputs: Sequence[Shape], network: tuple[int, int], known: spec.Layout
    ) -> spec.Layout | None:
        """Read the head's layout off its shapes.

        Args:
            outputs: shapes of all outputs, with the batch axis.
            network: (width, height) of the input in pixels.
            known: what the package says; what it leaves open is filled in.

        Returns:
            None when this is not a head of the family, or contradicts what is known.
        """
        ...

    def decode(
        self, ops: Ops[V], outputs: Sequence[V], network: tuple[int, int], layout: spec.Layout
    ) -> Head[V]:
        """Bring the head into common terms.

        Args:
            ops: what to compute with.
            outputs: those that ``layout.order`` names, as float32, with the batch axis.
            network: (width, height) of the input in pixels.
            layout: from ``recognise``.
        """
        ...
