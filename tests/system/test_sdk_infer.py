"""The original client sends pictures in all the ways it knows, and gets boxes and drawings."""

import base64
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support import pictures, sdk, zoo
from tests.support import server as servers

# The first test may have to install the client.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

INPUTS = ("path", "array", "pil", "base64", "url")


@pytest.fixture(params=["v1", "v0"])
def either(
    request: pytest.FixtureRequest, driver: sdk.Driver, zoo_server: servers.Server
) -> sdk.Client:
    """A client that speaks one of the two interfaces."""
    return sdk.Client(driver, zoo_server.url, key="any", v0=request.param == "v0")


@pytest.fixture
def sizes(tmp_path: Path) -> list[str]:
    """Files of pictures that are told apart by their widths: 50, 60, ... 90."""
    paths = [tmp_path / f"{width}.png" for width in range(50, 100, 10)]
    for path in paths:
        pictures.gradient(int(path.stem), 40).save(path)
    return [str(path) for path in paths]


def configured(client: sdk.Client, **changes: Any) -> sdk.Client:
    """Return the client with another configuration."""
    return dataclasses.replace(client, configuration=changes)


def boxes(answer: dict[str, Any]) -> dict[str, list[float]]:
    """Return the boxes by class and, within a class, from left to right."""
    found = sorted(answer["predictions"], key=lambda each: (each["class"], each["x"]))
    return {
        f"{index} {each['class']}": [each[key] for key in ("x", "y", "width", "height")]
        for index, each in enumerate(found)
    }


def agree(found: dict[str, Any], expected: dict[str, Any], pixels: float) -> None:
    """Check that two answers hold the same boxes."""
    assert found["image"] == expected["image"]
    measured, wanted = boxes(found), boxes(expected)
    assert set(measured) == set(wanted)
    assert all(box == pytest.approx(wanted[name], abs=pixels) for name, box in measured.items())


def widths(answers: Sequence[dict[str, Any]]) -> list[int]:
    """Return the width of each answer's picture."""
    return [answer["image"]["width"] for answer in answers]


@pytest.mark.parametrize("method", ["infer", "infer_async"])
@pytest.mark.parametrize("kind", INPUTS)
def test_a_picture_may_be_given_in_any_way(
    either: sdk.Client, sample_path: str, sample: bytes, kind: str, method: str
) -> None:
    given = {
        "path": sample_path,
        "base64": base64.b64encode(sample).decode(),
        "url": f"{either.url}/sample.jpg",
    }.get(kind, {kind: sample_path})
    answer = either.infer(given, zoo.SCENES, method)
    assert answer["image"] == {"width": 640, "height": 480}
    assert len(answer["predictions"]) > 3
    # Arrays and images are JPEGs for the second time when they arrive.
    agree(answer, either.infer(sample_path, zoo.SCENES), pixels=4.0)


def test_both_interfaces_find_the_same(client: sdk.Client, sample_path: str) -> None:
    older = dataclasses.replace(client, key="any", v0=True)
    agree(older.infer(sample_path, "yolov8n-640"), client.infer(sample_path, "coco/3"), pixels=0.01)


@pytest.mark.parametrize("method", ["infer", "infer_async"])
@pytest.mark.parametrize(("batch", "at_once"), [(1, 1), (1, 5), (2, 1), (2, 3), (8, 1)])
def test_several_pictures_are_answered_in_order(
    either: sdk.Client, sizes: list[str], method: str, batch: int, at_once: int
) -> None:
    client = configured(either, max_batch_size=batch, max_concurrent_requests=at_once)
    assert widths(client.infer(sizes, zoo.BOXES, method)) == [50, 60, 70, 80, 90]


def test_list_of_one_picture_is_answered_like_the_picture(
    either: sdk.Client, sizes: list[str]
) -> None:
    assert widths([either.infer(sizes[:1], zoo.BOXES)]) == [50]


def test_folder_of_pictures_is_a_stream(either: sdk.Client, sizes: list[str]) -> None:
    folder = str(Path(sizes[0]).parent)
    stream = either.call("infer_on_stream", input_uri=folder, model_id=zoo.BOXES)
    seen = {Path(name).stem: (frame["array"][0], answer) for name, frame, answer in stream}
    assert sorted(seen) == ["50", "60", "70", "80", "90"]
    for stem, (width, answer) in seen.items():
        assert width == answer["image"]["width"] == int(stem)


@pytest.mark.parametrize("method", ["infer", "infer_async"])
def test_boxes_in_a_picture_made_smaller_by_the_client_are_those_of_the_original(
    either: sdk.Client, sample_path: str, method: str
) -> None:
    smaller = configured(either, client_downsizing_disabled=False, default_max_input_size=320)
    answer = smaller.infer(sample_path, zoo.SCENES, method)
    agree(answer, either.infer(sample_path, zoo.SCENES), pixels=6.0)


def test_wishes_reach_the_model(either: sdk.Client, sample_path: str) -> None:
    everything = either.infer(sample_path, zoo.SCENES)["predictions"]
    sure = configured(either, confidence_threshold=0.85).infer(sample_path, zoo.SCENES)
    first = configured(either, max_detections=1).infer(sample_path, zoo.SCENES)
    none = configured(either, confidence_threshold=0.999).infer(sample_path, zoo.SCENES)
    assert len(sure["predictions"]) == sum(each["confidence"] >= 0.85 for each in everything) > 0
    assert [each["class"] for each in first["predictions"]] == [everything[0]["class"]]
    assert none["predictions"] == []


def test_wishes_of_the_newer_interface_reach_the_model(
    client: sdk.Client, sample_path: str
) -> None:
    balloons = configured(client, class_filter=["balloon"]).infer(sample_path, zoo.SCENES)
    together = configured(client, class_agnostic_nms=True, iou_threshold=0.0)
    apart = configured(client, iou_threshold=1.0)
    assert {each["class"] for each in balloons["predictions"]} == {"balloon"}
    few = together.infer(sample_path, zoo.BOXES)["predictions"]
    many = apart.infer(sample_path, zoo.BOXES)["predictions"]
    assert len(few) < len(client.infer(sample_path, zoo.BOXES)["predictions"]) < len(many)


def test_picture_is_turned_as_its_tags_say_unless_the_client_objects(
    either: sdk.Client, tmp_path: Path
) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    path = tmp_path / "turned.jpg"
    pictures.gradient(80, 40).save(path, exif=tags)
    as_stored = configured(either, disable_preproc_auto_orientation=True)
    turned, stored = (each.infer(str(path), zoo.BOXES) for each in (either, as_stored))
    assert turned["image"] == {"width": 40, "height": 80}
    assert stored["image"] == {"width": 80, "height": 40}


@pytest.mark.parametrize("method", ["infer", "infer_async"])
@pytest.mark.parametrize("wanted", ["base64", "numpy", "pillow"])
def test_drawing_comes_in_the_form_that_was_asked_for(
    either: sdk.Client, sample_path: str, wanted: str, method: str
) -> None:
    drawing = {"visualize_predictions": True, "visualize_labels": True, "stroke_width": 3}
    client = configured(
        either, format="image_and_json", output_visualisation_format=wanted, **drawing
    )
    answer = client.infer(sample_path, zoo.SCENES, method)
    assert answer["predictions"]
    if wanted == "base64":
        assert base64.b64decode(answer["visualization"]).startswith(b"\xff\xd8\xff")
    else:
        name = {"numpy": "array", "pillow": "pil"}[wanted]
        assert answer["visualization"] == {name: [640, 480]}


@pytest.mark.parametrize("method", ["infer", "infer_async"])
def test_drawing_alone_is_a_jpeg(client: sdk.Client, sample_path: str, method: str) -> None:
    older = dataclasses.replace(client, key="any", v0=True)
    drawn = configured(older, format="image", output_visualisation_format="numpy")
    answer = drawn.infer(sample_path, zoo.SCENES, method)
    assert answer == {"visualization": {"array": [640, 480]}}
