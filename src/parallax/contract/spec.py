"""What every process must know of a model: plain data, made once by ``models.catalog``.

The supervisor hands the specs to its children, so only the inference loop ever opens a model file.
"""

from msgspec import Struct


class InputSpec(Struct, frozen=True):
    """The tensor that ``pre`` must make: uint8, ``height x width x 3``, RGB.

    The steps come in this order: orientation, crop, grayscale, contrast, resize.
    """

    width: int
    height: int
    resize: str = "letterbox"
    """One of ``vision.geometry.RESIZES``."""
    padding: int = 114
    """Grey value of the letterbox borders, 0 to 255."""
    auto_orient: bool = True
    """Turn pictures as their EXIF orientation says."""
    crop: tuple[float, float, float, float] | None = None
    """x_min, y_min, x_max, y_max in percent of the picture's width and height."""
    grayscale: bool = False
    """Make the picture grey (three equal channels)."""
    contrast: str | None = None
    """``stretching``, ``equalization`` or ``adaptive``; None: as it is."""

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


class Layout(Struct, frozen=True):
    """What a network's outputs hold: what the package says of it, completed from the shapes.

    0 and None: not known yet, or there is none.
    """

    classes: int = 0
    anchors: int = 0
    """Boxes per picture before any is dropped."""
    coefficients: int = 0
    """Mask coefficients per box, which weigh as many prototypes; channels of a class map."""
    keypoints: int = 0
    """Keypoints per box."""
    keypoint_values: int = 3
    """3: x, y and a score; 2: x and y."""
    map_size: tuple[int, int] | None = None
    """Height and width of prototypes, masks or class maps."""
    activation: str | None = None
    """What still has to be applied to class scores: ``softmax``, ``sigmoid`` or ``none``."""
    order: tuple[int, ...] = (0,)
    """Which of the graph's outputs the family reads, in the order in which it wants them."""


class Skeleton(Struct, frozen=True):
    """The keypoints of one class."""

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    """Pairs of indices into ``names`` that are joined when drawn."""


class Thresholds(Struct, frozen=True):
    """What the words ``default`` and ``best`` mean for the confidence of this model."""

    default: float = 0.4
    best: float | None = None
    best_by_class: tuple[float, ...] | None = None
    """By class id."""


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
    layout: Layout = Layout()
    suppress: bool = True
    """Whether overlapping boxes are still to be suppressed."""
    multi_label: bool = False
    """Classification: the classes do not exclude each other."""
    hidden: tuple[int, ...] = ()
    """Class ids that are never reported (a background class)."""
    colors: tuple[str, ...] = ()
    """``#rrggbb`` by class id, for drawing; empty: the palette of ``vision.draw``."""
    skeletons: tuple[Skeleton, ...] = ()
    """Keypoints by class id; one entry stands for all classes."""
    thresholds: Thresholds = Thresholds()


class Reading(Struct, frozen=True):
    """What was found at one place on disk."""

    place: str
    """Name of the place (``models.signatures``); empty for the demo model."""
    path: str
    """File or folder, for messages."""
    id: str
    """Of the model; empty when the place can hold none."""
    model: ModelSpec | None = None
    reason: str = ""
    """Why it cannot be served, when ``model`` is None."""
    notes: tuple[str, ...] = ()


class Catalog(Struct, frozen=True):
    """The outcome of looking at all packages."""

    specs: tuple[ModelSpec, ...]
    refused: tuple[tuple[str, str], ...]
    """Path and reason of each package that is not served."""
    notes: tuple[str, ...]
    """What was assumed or could not be done, for the log; each names its model."""
