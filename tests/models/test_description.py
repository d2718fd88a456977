"""One form for what packages say, the words in it, and which source wins."""

import typing
from pathlib import Path

import msgspec
import pytest

from parallax.contract import tasks
from parallax.models import description
from parallax.vision import geometry
from tests.support import packages

PATH = Path("x.json")


def test_the_words_for_resizing_are_those_that_pre_knows() -> None:
    assert set(typing.get_args(description.Resize)) == set(geometry.RESIZES)


@pytest.mark.parametrize(
    ("word", "task"),
    [
        ("detect", tasks.OBJECT_DETECTION),
        ("segment", tasks.INSTANCE_SEGMENTATION),
        ("Pose", tasks.KEYPOINT_DETECTION),
        ("classify", tasks.CLASSIFICATION),
        ("multi-label-classification", tasks.CLASSIFICATION),
        ("semantic", tasks.SEMANTIC_SEGMENTATION),
        ("object_detection", tasks.OBJECT_DETECTION),
        *((task, task) for task in tasks.ALL),
    ],
)
def test_words_of_other_tools_for_tasks(word: str, task: str) -> None:
    assert description.task(word, PATH) == task


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("juggling", "x.json: the task 'juggling' is not served: served are object-detection, "),
        ("obb", "x.json: the task 'obb' is not served: oriented boxes are not served"),
        ("a" * 1000, f"x.json: the task '{'a' * 40}' is not served"),
    ],
)
def test_a_task_that_is_not_served(word: str, reason: str) -> None:
    assert packages.refusal(lambda: description.task(word, PATH)).startswith(reason)


def test_the_stronger_source_wins_field_by_field() -> None:
    strong = description.Description(
        task="classification", input=description.InputDescription(width=32, grayscale=False)
    )
    weak = description.Description(
        labels=("a",), input=description.InputDescription(width=64, height=48, grayscale=True)
    )
    assert description.merge(strong, weak) == description.Description(
        task="classification",
        labels=("a",),
        input=description.InputDescription(width=32, height=48, grayscale=False),
    )


@pytest.mark.parametrize("crop", [(50, 0, 50, 100), (60, 0, 40, 100), (0, 9, 100, 8)])
def test_a_crop_that_leaves_nothing(crop: tuple[float, float, float, float]) -> None:
    with pytest.raises(msgspec.ValidationError, match="min is not below its max"):
        msgspec.convert({"crop": crop}, description.InputDescription)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
@pytest.mark.parametrize("field", ["scale", "mean", "std", "crop"])
def test_numbers_that_are_none(field: str, value: float) -> None:
    given = value if field == "scale" else [value] * (4 if field == "crop" else 3)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({field: given}, description.InputDescription)
