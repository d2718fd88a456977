"""The closed family of things that cross a process line through the broker.

Each stage has one kind of work. All are frozen, have no behaviour, and are checked field by field
when they are read (see ``contract.wire``), because a broker may hold entries of another version or
of a stranger. Large bytes (encoded picture, output arrays, answer) travel beside the work as
``bulk``.
"""

from typing import Annotated

from msgspec import Meta, Struct

PlainDtype = Annotated[str, Meta(pattern=r"^[<|][biuf][1248]\Z")]
"""Numbers as ``numpy.dtype.str`` writes them. All else that NumPy reads as a type (records,
objects, expressions) is for nobody to send."""
Side = Annotated[int, Meta(ge=0)]


class Route(Struct, frozen=True, array_like=True):
    """Whose answer this is and until when it is wanted.

    ``deadline`` is in seconds of ``origin``'s monotonic clock; a consumer on another node cannot
    read that clock and uses ``budget_ms``, the time that was left at the last hand-over, instead.
    """

    request: str
    """Server-made id, unique over all api processes."""
    item: int
    """Index of this picture in the client's list."""
    reply_to: str
    """Id of the api process (of one incarnation) whose mailbox gets the answer."""
    origin: str
    """Node on which the request arrived."""
    deadline: float
    budget_ms: int


class ImageOptions(Struct, frozen=True, array_like=True):
    """Which steps of preprocessing the client leaves to the model's package (all by default)."""

    auto_orient: bool = True
    """Apply the EXIF orientation."""
    static_crop: bool = True
    grayscale: bool = True
    contrast: bool = True


class Drawing(Struct, frozen=True, array_like=True):
    """The picture with what was found drawn on it."""

    labels: bool = False
    """Write class and confidence beside each box."""
    stroke: int = 1
    """Width of the lines in pixels."""
    alone: bool = False
    """The answer is the JPEG itself and no JSON."""


class DetectionParams(Struct, frozen=True, array_like=True, tag=True):
    """What the client asked of detection; defaults are those of the Roboflow request schema."""

    confidence: float = 0.4
    iou_threshold: float = 0.3
    max_detections: int = 300
    class_agnostic_nms: bool = False
    class_filter: tuple[str, ...] | None = None
    class_confidence: tuple[float, ...] | None = None
    """Thresholds by class id, each at least ``confidence``; None: ``confidence`` holds for all."""
    drawing: Drawing | None = None


class SegmentationParams(DetectionParams, frozen=True, array_like=True, tag=True):
    """What the client asked of instance segmentation."""

    mask_format: str = "polygon"
    """``polygon`` or ``rle``."""
    mask_detail: float = 1.0
    """How finely masks are cut out: 0 at the size of the network's maps, 1 at the picture's."""


class KeypointParams(DetectionParams, frozen=True, array_like=True, tag=True):
    """What the client asked of keypoint detection."""

    keypoint_confidence: float = 0.0
    """Keypoints of a lower or equal score are left out."""


class ClassificationParams(Struct, frozen=True, array_like=True, tag=True):
    """What the client asked of classification."""

    confidence: float = 0.4
    drawing: Drawing | None = None


class SemanticParams(Struct, frozen=True, array_like=True, tag=True):
    """What the client asked of semantic segmentation."""

    confidence: float = 0.4
    """Pixels of a lower score become background."""
    drawing: Drawing | None = None


Params = (
    DetectionParams | SegmentationParams | KeypointParams | ClassificationParams | SemanticParams
)


class Crop(Struct, frozen=True, array_like=True):
    """The part of the picture that the network sees, in pixels of the picture."""

    left: int
    top: int
    width: int
    height: int


class Geometry(Struct, frozen=True, array_like=True):
    """How the network's pixels map to the picture's: ``crop + (network - pad) / scale``.

    ``width`` and ``height`` are those of the decoded picture after orientation, in pixels. A pad is
    negative where the network sees only the middle of the crop.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float
    crop: Crop | None = None
    """None: all of the picture."""


class SlotRef(Struct, frozen=True, array_like=True):
    """A place in this node's slab. Valid only while the slot still has this generation."""

    arena: int
    slot: int
    generation: int


class ArrayRef(Struct, frozen=True, array_like=True):
    """A C-contiguous array: in a slab slot, or (``slot is None``) next in line in the entry's
    bulk."""

    shape: tuple[Side, ...]
    dtype: PlainDtype
    slot: SlotRef | None = None


class Timings(Struct, frozen=True, array_like=True):
    """Milliseconds spent working (not waiting) so far, and the size of the batch it ran in."""

    pre_ms: float = 0.0
    infer_ms: float = 0.0
    post_ms: float = 0.0
    batch: int = 0


class PreWork(Struct, frozen=True, array_like=True):
    """A picture to decode, encoded as received: in the slab of its api process, or the entry's
    bulk. Also the request's record."""

    route: Route
    model: str
    params: Params
    image: ImageOptions
    picture: ArrayRef | None = None
    """None: the bulk. Those in the slab stay until the request is answered."""


class InferWork(Struct, frozen=True, array_like=True):
    """A uint8 NHWC tensor (without N) to run; no bulk."""

    route: Route
    model: str
    version: str
    params: Params
    geometry: Geometry
    tensor: ArrayRef
    timings: Timings


class PostWork(Struct, frozen=True, array_like=True):
    """Network outputs to turn into an answer; bulk is the concatenation of the inline arrays."""

    route: Route
    model: str
    version: str
    params: Params
    geometry: Geometry
    outputs: tuple[ArrayRef, ...]
    timings: Timings


class Reply(Struct, frozen=True, array_like=True):
    """The one answer to one item. ``code`` is empty on success, and then bulk is the JSON fragment,
    or the JPEG that was asked for instead (``Drawing.alone``)."""

    request: str
    item: int
    code: str
    message: str
    timings: Timings


Work = PreWork | InferWork | PostWork
