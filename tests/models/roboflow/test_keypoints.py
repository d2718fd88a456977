"""``keypoints_metadata.json``."""

from pathlib import Path

import pytest

from parallax.models import description
from parallax.models.roboflow import keypoints
from tests.support import packages


def read(folder: Path, content: object) -> description.Description:
    return keypoints.read(packages.write(folder / "keypoints_metadata.json", content))


def test_names_and_edges_by_class(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [
            {"object_class_id": 2, "keypoints": {"1": "tail", "0": "nose"}, "edges": [[0, 1]]},
            {"object_class_id": 0, "keypoints": {"0": "top"}},
        ],
    )
    assert found.keypoints == (
        description.KeypointsDescription(names=("top",)),
        description.KeypointsDescription(),
        description.KeypointsDescription(names=("nose", "tail"), edges=((0, 1),)),
    )


def test_edges_that_join_nothing_are_left_out(tmp_path: Path) -> None:
    edges = [{"from": 1, "to": 0}, [0, 9], [0], "x", {"from": 0}, [0, -1], [0.5, 1]]
    found = read(tmp_path, [{"keypoints": {"0": "a", "1": "b"}, "edges": edges}])
    assert found.keypoints == (description.KeypointsDescription(names=("a", "b"), edges=((1, 0),)),)


def test_an_empty_list_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, []) == description.Description()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "no valid JSON list"),
        ([3], "expected an object, found int"),
        ([{"keypoints": {"1": "a"}}], "are not numbered 0, 1, 2, ..."),
        ([{"object_class_id": -1}], "an object_class_id is no class id"),
        ([{"object_class_id": 999_999}], "an object_class_id is no class id"),
        ([{"keypoints": {"0": ""}}], "at `$.keypoints[0].names[0]`"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    assert reason in packages.refusal(lambda: read(tmp_path, content))
