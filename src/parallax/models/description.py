"""What a package says about its model, whoever wrote it down, in one form.

Each source (``model.toml``, Roboflow's files, metadata in the ONNX file) fills in what it knows;
the stronger source wins field by field.
"""

from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct, structs

OBJECT_DETECTION = "object-detection"

_TASKS = {
    "detect": OBJECT_DETECTION,
    "detection": OBJECT_DETECTION,
    "segment": "instance-segmentation",
    "semantic": "semantic-segmentation",
    "pose": "keypoint-detection",
    "classify": "classification",
    "obb": "oriented-object-detection",
}
"""Words of other tools for the tasks."""

Side = Annotated[int, Meta(ge=8, le=16384)]
Channels = tuple[float, float, float]


class InputDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[input]`` table: what the network expects to see."""

    width: Side | None = None
    height: Side | None = None
    resize: Literal["letterbox", "letterbox-top-left", "stretch"] | None = None
    padding: Annotated[int, Meta(ge=0, le=255)] | None = None
    color: Literal["rgb", "bgr"] | None = None
    scale: Annotated[float, Meta(ge=1.0)] | None = None
    """What pixel values are *divided* by: 255 for networks that take 0 to 1. At least 1, so that
    the multiplier other tools mean by this word (0.0039) is refused and not silently inverted."""
    mean: Channels | None = None
    """Subtracted after the division, in the network's channel order."""
    std: (
        tuple[
            Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]
        ]
        | None
    ) = None
    """Divided by last, in the network's channel order."""


class BatchingDescription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[batching]`` table."""

    max: Annotated[int, Meta(ge=1, le=1024)] | None = None
    max_delay_ms: Annotated[float, Meta(ge=0, le=60_000)] | None = None


class Description(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All a package may say. None: it does not."""

    task: str | None = None
    family: str | None = None
    decoded: bool | None = None
    """The exported graph decodes its boxes itself, where the family knows both kinds."""
    labels: tuple[Annotated[str, Meta(min_length=1)], ...] | None = None
    aliases: tuple[str, ...] | None = None
    input: InputDescription = InputDescription()
    batching: BatchingDescription = BatchingDescription()


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


def task_name(word: str) -> str:
    """Return our name of a task for another tool's word."""
    return _TASKS.get(word.lower(), word.lower())
