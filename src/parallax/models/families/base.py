"""What a detection family is: one head layout, known in three ways.

By its output shapes, so that a bare file can be recognised; as nodes to append to the graph, so
that decoding runs where the network runs; and in NumPy, for graphs that cannot be extended. The
stage workers import the families, so nothing here knows the ``onnx`` package: graph surgery goes
through the small ``Graph`` protocol, which ``models.graph`` implements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from parallax.contract import spec

Value = str
"""Name of a tensor in a graph under construction."""

Shape = tuple[int | None, ...]
"""Shape of a network output; None where it is not known before the run."""

Constant = NDArray[np.float32] | NDArray[np.int64]


class Graph(Protocol):
    """The operations a family may append; each returns the name of its result."""

    def constant(self, array: Constant) -> Value:
        """Return a tensor with this content."""

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b, broadcast."""

    def multiply(self, a: Value, b: Value) -> Value:
        """Return a * b, broadcast."""

    def exponential(self, a: Value) -> Value:
        """Return e to the power of a."""

    def transpose(self, a: Value, order: Sequence[int]) -> Value:
        """Return a with its axes in this order."""

    def cut(self, a: Value, axis: int, start: int, end: int) -> Value:
        """Return a[start:end] along an axis."""

    def join(self, values: Sequence[Value], axis: int) -> Value:
        """Return the values one after the other along an axis."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A head in common terms, as tensors of the graph: A anchors, C classes, float32."""

    boxes: Value
    """(N, A, 4) centre x, centre y, width, height in network pixels."""
    classes: Value
    """(N, A, C) score of each class."""
    objectness: Value | None = None
    """(N, A, 1) factor of the best class score; None: 1."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """How the networks of a family were trained to see a picture, where the package does not say.

    The network's input is ``(pixel / scale - mean) / std`` per channel.
    """

    resize: str
    padding: int
    color: str
    scale: float
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the output shape of a recognised head says."""

    classes: int
    anchors: int


class Family(Protocol):
    """One head layout. Implementations are stateless."""

    @property
    def name(self) -> str:
        """The word for it in ``model.toml`` and in messages."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """Beginnings of the architecture names (lower case) that other tools give such models."""

    @property
    def defaults(self) -> Defaults:
        """What the network expects at its input."""

    def recognise(self, outputs: Sequence[Shape], network: tuple[int, int]) -> Layout | None:
        """Read the head's layout off its shapes.

        Args:
            outputs: shapes with the batch axis.
            network: (width, height) of the input in pixels.

        Returns:
            None when this is not a head of the family.
        """

    def append(
        self, graph: Graph, head: Value, network: tuple[int, int], layout: Layout
    ) -> Decoded:
        """Append decoding of ``head``, the first output as float32, to the graph."""

    def candidates(
        self, outputs: Sequence[NDArray[np.floating]], target: spec.InputSpec
    ) -> NDArray[np.float32]:
        """Decode the plain outputs of one item (without batch axis).

        Returns:
            (A, 6): centre x, centre y, width, height in network pixels, score, class. Unsorted.

        Raises:
            ModelFailedError: an output has another shape than the family's.
        """
