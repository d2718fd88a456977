"""The closed family of things that cross a process line through the broker.

Each stage has one kind of work. All are frozen, have no behaviour, and are checked field by field
when they are read (see ``contract.wire``), because a broker may hold entries of another version or
of a stranger. Large bytes (encoded picture, output arrays, answer) travel beside the work as
``bulk``.
"""

from msgspec import Struct


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
    """What the client asked of preprocessing."""

    auto_orient: bool = True
    """Apply the EXIF orientation."""


class DetectionParams(Struct, frozen=True, array_like=True):
    """What the client asked of detection; defaults are those of the Roboflow request schema."""

    confidence: float = 0.4
    iou_threshold: float = 0.3
    max_detections: int = 300
    class_agnostic_nms: bool = False
    class_filter: tuple[str, ...] | None = None


class Geometry(Struct, frozen=True, array_like=True):
    """How the network's pixels map to the picture's: ``picture = (network - pad) / scale``.

    ``width`` and ``height`` are those of the decoded picture after orientation, in pixels.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float


class SlotRef(Struct, frozen=True, array_like=True):
    """A place in this node's slab. Valid only while the slot still has this generation."""

    arena: int
    slot: int
    generation: int


class ArrayRef(Struct, frozen=True, array_like=True):
    """A C-contiguous array: in a slab slot, or (``slot is None``) next in line in the entry's
    bulk."""

    shape: tuple[int, ...]
    dtype: str
    slot: SlotRef | None = None


class Timings(Struct, frozen=True, array_like=True):
    """Milliseconds spent working (not waiting) so far, and the size of the batch it ran in."""

    pre_ms: float = 0.0
    infer_ms: float = 0.0
    post_ms: float = 0.0
    batch: int = 0


class PreWork(Struct, frozen=True, array_like=True):
    """A picture to decode; bulk is the encoded picture as received. Also the request's record."""

    route: Route
    model: str
    params: DetectionParams
    image: ImageOptions


class InferWork(Struct, frozen=True, array_like=True):
    """A uint8 NHWC tensor (without N) to run; no bulk."""

    route: Route
    model: str
    version: str
    params: DetectionParams
    geometry: Geometry
    tensor: ArrayRef
    timings: Timings


class PostWork(Struct, frozen=True, array_like=True):
    """Network outputs to turn into an answer; bulk is the concatenation of the inline arrays."""

    route: Route
    model: str
    version: str
    params: DetectionParams
    geometry: Geometry
    outputs: tuple[ArrayRef, ...]
    timings: Timings


class Reply(Struct, frozen=True, array_like=True):
    """The one answer to one item. ``code`` is empty on success, and then bulk is the JSON
    fragment."""

    request: str
    item: int
    code: str
    message: str
    timings: Timings


Work = PreWork | InferWork | PostWork
