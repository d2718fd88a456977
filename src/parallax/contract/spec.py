"""What every process must know of a model: plain data, made once by ``models.catalog``.

The supervisor hands the specs to its children, so only the inference loop ever opens a model file.
"""

from msgspec import Struct


class InputSpec(Struct, frozen=True):
    """The tensor that ``pre`` must make: uint8, ``height x width x 3``, RGB."""

    width: int
    height: int
    resize: str = "letterbox"
    """``letterbox`` (aspect kept, centred), ``letterbox-top-left`` or ``stretch``."""
    padding: int = 114
    """Grey value of the letterbox borders, 0 to 255."""

    @property
    def nbytes(self) -> int:
        """Size of one tensor in bytes."""
        return self.width * self.height * 3


class BatchSpec(Struct, frozen=True):
    """How the model may be batched."""

    max_size: int = 16
    fixed_size: int | None = None
    """The batch axis of a graph that has a constant there; shorter batches are padded to it."""
    max_delay_ms: float = 0.0
    """How long an idle device may wait for a fuller batch."""


class PlainInput(Struct, frozen=True):
    """How pixels become the input of a graph that could not be fused.

    The input is NCHW, ``(pixel / scale - mean) / std`` per channel of the network's channel order.
    """

    swap: bool = False
    """The network wants BGR."""
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dtype: str = "float32"
    """``float32`` or ``float16``."""


class ModelSpec(Struct, frozen=True):
    """One served model."""

    id: str
    version: str
    """Hash of the package's content and of the way it was prepared; changes when either does."""
    task: str
    family: str
    labels: tuple[str, ...]
    input: InputSpec
    batch: BatchSpec
    graph: str
    """Path of the ONNX file to run: the fused one from the cache, or the package's own."""
    fused: bool
    """Whether the graph takes uint8 NHWC and ends in candidates (else: the plain head)."""
    input_name: str
    output_names: tuple[str, ...]
    source: str
    """Path of the package's ONNX file, for messages."""
    aliases: tuple[str, ...] = ()
    output_bytes: int = 0
    """Upper bound of what one item's outputs take; 0 when they are small and travel in the
    entry."""
    plain: PlainInput | None = None
    """Set exactly when ``fused`` is false."""


class Catalog(Struct, frozen=True):
    """The outcome of looking at all packages."""

    specs: tuple[ModelSpec, ...]
    refused: tuple[tuple[str, str], ...]
    """Path and reason of each package that is not served."""
    notes: tuple[str, ...]
    """What was assumed or could not be done, for the log; each names its model."""
