"""What a package says about its model, whoever wrote it down, in one form.

Each source (``model.toml``, Roboflow's files, metadata in the ONNX file) fills in what it knows;
the stronger source wins field by field.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct, structs

from parallax.contract import tasks
from parallax.models import files

_TASKS: Final = {
    "detect": tasks.OBJECT_DETECTION,
    "detection": tasks.OBJECT_DETECTION,
    "segment": tasks.INSTANCE_SEGMENTATION,
    "segmentation": tasks.INSTANCE_SEGMENTATION,
    "semantic": tasks.SEMANTIC_SEGMENTATION,
    "pose": tasks.KEYPOINT_DETECTION,
    "keypoints": tasks.KEYPOINT_DETECTION,
    "classify": tasks.CLASSIFICATION,
    "single-label-classification": tasks.CLASSIFICATION,
    "multi-label-classification": tasks.CLASSIFICATION,
}
"""Words of other tools for the tasks."""

_NOT_SERVED: Final = {"obb": "oriented boxes are not served"}
"""Words for what we know and do not do."""

FINAL: Final = "yolo26"
"""The family of any YOLO with suppression in its graph. Named and not hinted at, as the shapes of
such outputs are often not known before the run."""

LARGEST_SIDE = 16384
"""Pixels of a network's input. Each slot of shared memory holds one input of the largest."""
Side = Annotated[int, Meta(ge=8, le=LARGEST_SIDE)]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Score = Annotated[float, Meta(ge=0, le=1)]
Index = Annotated[int, Meta(ge=0, le=1023)]
Name = Annotated[str, Meta(min_length=1)]
Color = Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$")]

Resize = Literal[
    "letterbox", "letterbox-top-left", "letterbox-reflect", "stretch", "fill", "center-crop"
]
"""The words of ``vision.geometry.RESIZES``."""

Crop = tuple[Percent, Percent, Percent, Percent]


class InputDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[input]`` table: what the network expects to see."""

    width: Side | None = None
    height: Side | None = None
    auto_orient: bool | None = None
    crop: Crop | None = None
    """x_min, y_min, x_max, y_max in percent of the picture."""
    grayscale: bool | None = None
    contrast: Literal["none", "stretching", "equalization", "adaptive"] | None = None
    resize: Resize | None = None
    padding: Annotated[int, Meta(ge=0, le=255)] | None = None
    color: Literal["rgb", "bgr"] | None = None
    scale: Annotated[float, Meta(ge=1.0, le=1e6)] | None = None
    """What pixel values are *divided* by: 255 for networks that take 0 to 1. At least 1, so that
    the multiplier other tools mean by this word (0.0039) is refused and not silently inverted."""
    mean: tuple[Finite, Finite, Finite] | None = None
    """Subtracted after the division, in the network's channel order."""
    std: tuple[Positive, Positive, Positive] | None = None
    """Divided by last, in the network's channel order."""

    def __post_init__(self) -> None:
        """Check what no single number shows.

        Raises:
            ValueError: the crop leaves nothing; msgspec adds where.
        """
        if self.crop and not (self.crop[0] < self.crop[2] and self.crop[1] < self.crop[3]):
            raise ValueError("crop is x_min, y_min, x_max, y_max, and a min is not below its max")


class BatchingDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[batching]`` table."""

    max: Annotated[int, Meta(ge=1, le=1024)] | None = None
    max_delay_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None


class ThresholdsDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[thresholds]`` table: what a client means who leaves the confidence to the model."""

    default: Score | None = None
    best: Score | None = None
    best_by_class: dict[str, Annotated[float, Meta(ge=0, le=2)]] | None = None
    """By label; classes that are not named have ``best``. Above 1: never reported."""


class KeypointsDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[keypoints]]`` table: the keypoints of one class, or of all."""

    names: Annotated[tuple[Name, ...], Meta(max_length=1024)] = ()
    edges: tuple[tuple[Index, Index], ...] = ()
    """Pairs of positions in ``names`` that are joined when drawn."""

    def __post_init__(self) -> None:
        """Check that the edges join keypoints.

        Raises:
            ValueError: one names a keypoint that is not there; msgspec adds where.
        """
        for edge in self.edges:
            if max(edge) >= len(self.names):
                raise ValueError(f"the edge {list(edge)} is outside of {len(self.names)} names")


class Description(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All a package may say. None: it does not."""

    task: str | None = None
    """One of ``contract.tasks.ALL`` once the source is read (see ``task``)."""
    family: str | None = None
    architecture: str | None = None
    """Another tool's name of the network (``yolov8n-seg``); weaker than ``family``."""
    decoded: bool | None = None
    """The exported graph decodes its boxes itself, where the family knows both kinds."""
    labels: tuple[Name, ...] | None = None
    aliases: tuple[str, ...] | None = None
    activation: Literal["softmax", "sigmoid", "none"] | None = None
    """What still has to be applied to the class scores."""
    multi_label: bool | None = None
    """Classification: the classes do not exclude each other."""
    suppress: bool | None = None
    """Whether overlapping boxes are still to be suppressed; false: the graph has done it."""
    hidden: tuple[str, ...] | None = None
    """Labels of classes that are never reported."""
    colors: dict[str, Color] | None = None
    """By label."""
    keypoints: tuple[KeypointsDescription, ...] | None = None
    """By class id; one stands for all classes."""
    keypoint_shape: tuple[Annotated[int, Meta(ge=1, le=1024)], Literal[2, 3]] | None = None
    """Keypoints per box, and values per keypoint: x, y and perhaps a score."""
    input: InputDescription = InputDescription()
    batching: BatchingDescription = BatchingDescription()
    thresholds: ThresholdsDescription = ThresholdsDescription()


class Said(Struct, frozen=True):
    """What one source says."""

    description: Description = Description()
    taken: tuple[Path, ...] = ()
    """Files it is made of."""
    notes: tuple[str, ...] = ()
    """What was left out of account, for the log."""


_Described = TypeVar("_Described", bound=Struct)


def merge(stronger: _Described, weaker: _Described) -> _Described:
    """Return the description that takes each field from the stronger source that has it."""
    merged = {}
    for field in structs.fields(stronger):
        first, second = getattr(stronger, field.name), getattr(weaker, field.name)
        if isinstance(first, Struct):
            merged[field.name] = merge(first, second)
        else:
            merged[field.name] = second if first is None else first
    return structs.replace(stronger, **merged)


def task(word: str, path: Path) -> str:
    """Return our name of a task for another tool's word.

    Args:
        word: as found in ``path``.
        path: for the message.

    Raises:
        ModelRefusedError: no such task is served.
    """
    plain = word.lower().replace("_", "-")
    found = _TASKS.get(plain, plain)
    if found not in tasks.ALL:
        why = _NOT_SERVED.get(plain, f"served are {', '.join(tasks.ALL)}")
        raise files.refused(path, f"the task {word[:40]!r} is not served: {why}")
    return found
