"""What the answers of this dialect hold, for ``/openapi.json`` and for those who check them.

The stages write answers as bytes and never build these objects.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Maybe = msgspec.UnsetType
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Picture = Annotated[str, Meta(description="A JPEG in base64.")]
Mask = Annotated[str, Meta(description="A PNG in base64, 8 bits a pixel, of the picture's size.")]


class Size(msgspec.Struct, forbid_unknown_fields=True):
    """Of the picture in pixels, as it is seen (after EXIF orientation, before the model's crop)."""

    width: int
    height: int


class Point(msgspec.Struct, forbid_unknown_fields=True):
    """In pixels of the picture."""

    x: float
    y: float


class Runs(msgspec.Struct, forbid_unknown_fields=True):
    """A mask as compressed run lengths, column by column, as in COCO."""

    size: Annotated[list[int], Meta(min_length=2, max_length=2, description="Height, width.")]
    counts: str


class Box(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One finding; ``x`` and ``y`` are the centre, in pixels of the picture."""

    x: float
    y: float
    width: float
    height: float
    confidence: Share
    label: str = msgspec.field(name="class")
    class_id: int
    detection_id: str


class MaskedBox(Box, forbid_unknown_fields=True, kw_only=True):
    """One finding with its mask: ``points`` for ``polygon``, ``rle`` for ``rle``."""

    mask_format: Literal["polygon", "rle"]
    points: list[Point] | Maybe = msgspec.UNSET
    rle: Runs | Maybe = msgspec.UNSET


class Keypoint(msgspec.Struct, forbid_unknown_fields=True):
    """One keypoint, in pixels of the picture."""

    x: float
    y: float
    confidence: float
    class_id: int
    label: str = msgspec.field(name="class")


class PosedBox(Box, forbid_unknown_fields=True, kw_only=True):
    """One finding with its keypoints."""

    keypoints: list[Keypoint]


class Class(msgspec.Struct, forbid_unknown_fields=True):
    """A class whose score reaches the threshold."""

    label: str = msgspec.field(name="class")
    class_id: int
    confidence: Share


class Score(msgspec.Struct, forbid_unknown_fields=True):
    """The score of one class of a model whose classes do not exclude each other."""

    confidence: Share
    class_id: int


class Pixels(msgspec.Struct, forbid_unknown_fields=True):
    """The class of each pixel."""

    segmentation_mask: Mask
    confidence_mask: Mask
    class_map: dict[str, str]
    present_class_ids: list[int]


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What all answers to one picture have."""

    inference_id: str
    time: Annotated[float, Meta(ge=0.0, description="Seconds.")]
    image: Size
    visualization: Picture | Maybe = msgspec.UNSET


class DetectionAnswer(Answer, forbid_unknown_fields=True, kw_only=True):
    """Boxes, the surest first."""

    predictions: list[Box]


class SegmentationAnswer(Answer, forbid_unknown_fields=True, kw_only=True):
    """Boxes with masks, the surest first."""

    predictions: list[MaskedBox]


class KeypointAnswer(Answer, forbid_unknown_fields=True, kw_only=True):
    """Boxes with keypoints, the surest first."""

    predictions: list[PosedBox]


class ClassificationAnswer(Answer, forbid_unknown_fields=True, kw_only=True):
    """Classes: the surest first with ``top`` and ``confidence``, or, where a picture can be of
    several, the score of each with ``predicted_classes``."""

    predictions: list[Class] | dict[str, Score]
    top: str | Maybe = msgspec.UNSET
    confidence: Share | Maybe = msgspec.UNSET
    predicted_classes: list[str] | Maybe = msgspec.UNSET


class SemanticAnswer(Answer, forbid_unknown_fields=True, kw_only=True):
    """The class of each pixel."""

    predictions: Pixels


class Stub(msgspec.Struct, forbid_unknown_fields=True):
    """The answer of version 0 of a project, which stands for a model that is yet to be trained."""

    time: float
    is_stub: bool
    model_id: str
    task_type: str
    inference_id: str


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One loaded model."""

    model_id: str
    task_type: str
    batch_size: int | None
    input_height: int | None
    input_width: int | None
    vram_bytes: int | None
    request_aliases: list[str]
    request_paths: list[str]


class Registry(msgspec.Struct, forbid_unknown_fields=True):
    """The loaded models; what is not measured is null."""

    models: list[Entry]
    total_vram_bytes: int | None = None
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None
    torch_cuda_allocated: int | None = None
    torch_cuda_reserved: int | None = None
    torch_cuda_allocator_cache: int | None = None
    non_torch_gpu_memory: int | None = None
