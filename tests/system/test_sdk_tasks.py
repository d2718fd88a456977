"""The original client with models of other tasks than detection, and with what is not served."""

import base64
import dataclasses
import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support import coco, load, sdk, zoo
from tests.support import server as servers

# The first test may have to install the client.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(params=["v1", "v0"])
def either(
    request: pytest.FixtureRequest, driver: sdk.Driver, zoo_server: servers.Server
) -> sdk.Client:
    """A client that speaks one of the two interfaces."""
    return sdk.Client(driver, zoo_server.url, key="any", v0=request.param == "v0")


def configured(client: sdk.Client, **changes: Any) -> sdk.Client:
    """Return the client with another configuration."""
    return dataclasses.replace(client, configuration=changes)


def inside(points: list[dict[str, float]], box: dict[str, float], slack: float) -> bool:
    """Say whether all points lie in a box."""
    return all(
        abs(point["x"] - box["x"]) <= box["width"] / 2 + slack
        and abs(point["y"] - box["y"]) <= box["height"] / 2 + slack
        for point in points
    )


@pytest.mark.parametrize("model", [zoo.SEGMENTS, "yolov8n-seg-640"])
def test_outlines_lie_in_their_boxes(either: sdk.Client, sample_path: str, model: str) -> None:
    found = either.infer(sample_path, model)["predictions"]
    assert found
    assert any(each["points"] for each in found)
    assert all(inside(each["points"], each, slack=1.5) for each in found)
    assert {each["mask_format"] for each in found} == {"polygon"}


def test_run_lengths_are_masks_of_the_whole_picture(either: sdk.Client, sample_path: str) -> None:
    asked = configured(either, response_mask_format="rle")
    found = asked.infer(sample_path, "yolov8n-seg-640")["predictions"]
    outlines = either.infer(sample_path, "yolov8n-seg-640")["predictions"]
    assert len(found) == len(outlines)
    for each, outline in zip(found, outlines, strict=True):
        rows, columns = np.nonzero(coco.decode(each["rle"]))
        corners = [
            {"x": float(find(columns)), "y": float(find(rows))}
            for find in (np.min, np.max)
            if rows.size
        ]
        assert each["rle"]["size"] == [480, 640]
        assert bool(corners) == bool(outline["points"])
        assert inside(corners, each, slack=1.5)


def test_outlines_in_a_picture_made_smaller_are_those_of_the_original(
    either: sdk.Client, sample_path: str
) -> None:
    smaller = configured(either, client_downsizing_disabled=False, default_max_input_size=64)
    answer = smaller.infer(sample_path, zoo.SEGMENTS)
    assert answer["image"] == {"width": 640, "height": 480}
    assert all(inside(each["points"], each, slack=15) for each in answer["predictions"])
    assert max(each["width"] for each in answer["predictions"]) > 64


@pytest.mark.parametrize("model", [zoo.POSE, "yolov8n-pose-640"])
def test_keypoints_have_their_names(either: sdk.Client, sample_path: str, model: str) -> None:
    found = either.infer(sample_path, model)["predictions"]
    assert found
    for each in found:
        points = each["keypoints"]
        assert [point["class"] for point in points] == list(zoo.JOINTS)
        assert [point["class_id"] for point in points] == [0, 1, 2, 3, 4]


def test_unsure_keypoints_are_left_out(either: sdk.Client, sample_path: str) -> None:
    # The scores of this model are no shares: they reach far over 1.
    sure = configured(either, keypoint_confidence_threshold=35.0)
    every = either.infer(sample_path, zoo.POSE)["predictions"]
    some = sure.infer(sample_path, zoo.POSE)["predictions"]
    counts = [sum(point["confidence"] > 35 for point in each["keypoints"]) for each in every]
    assert [len(each["keypoints"]) for each in some] == counts
    assert 0 < sum(counts) < 5 * len(every)


def test_one_label_is_on_top(either: sdk.Client, sample_path: str) -> None:
    answer = configured(either, confidence_threshold=0.01).infer(sample_path, zoo.ONE_LABEL)
    scores = [each["confidence"] for each in answer["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 6
    assert (answer["top"], answer["confidence"]) == (answer["predictions"][0]["class"], scores[0])


def test_nothing_is_on_top_when_nothing_is_sure(either: sdk.Client, sample_path: str) -> None:
    answer = configured(either, confidence_threshold=0.999).infer(sample_path, zoo.ONE_LABEL)
    assert (answer["predictions"], answer["top"], answer["confidence"]) == ([], "", 0.0)


def test_every_label_is_scored_and_the_sure_ones_are_named(
    either: sdk.Client, sample_path: str
) -> None:
    answer = either.infer(sample_path, zoo.LABELS)
    scores = {name: each["confidence"] for name, each in answer["predictions"].items()}
    sure = {name for name, score in scores.items() if score >= 0.4}
    assert set(scores) == set("abcdef")
    assert set(answer["predicted_classes"]) == sure != set()


@pytest.mark.parametrize("model", [zoo.SEGMENTS, zoo.POSE, zoo.ONE_LABEL, zoo.LABELS])
def test_findings_of_every_task_are_drawn(either: sdk.Client, sample_path: str, model: str) -> None:
    drawn = configured(
        either,
        format="image_and_json",
        visualize_predictions=True,
        output_visualisation_format="numpy",
    )
    assert drawn.infer(sample_path, model)["visualization"] == {"array": [640, 480]}


def test_classes_of_pixels_are_pictures(zoo_server: servers.Server, sample: bytes) -> None:
    """By plain HTTP, because the client refuses to ask."""
    url = f"{zoo_server.url}/infer/semantic_segmentation"
    response = httpx.post(url, json=load.body(sample, zoo.PIXELS), timeout=30)
    answer = response.json()["predictions"]
    masks = {}
    for name in ("segmentation_mask", "confidence_mask"):
        file = io.BytesIO(base64.b64decode(answer[name]))
        masks[name] = np.asarray(Image.open(file, formats=["PNG"]))
        assert masks[name].shape == (480, 640)
    assert answer["class_map"] == dict(zip("01234", "abcde", strict=True))
    assert answer["present_class_ids"] == np.unique(masks["segmentation_mask"]).tolist()


def test_client_refuses_to_ask_for_classes_of_pixels(client: sdk.Client, sample_path: str) -> None:
    with pytest.raises(sdk.RaisedError) as caught:
        client.infer(sample_path, zoo.PIXELS)
    assert caught.value.raised == "ModelTaskTypeNotSupportedError"


@pytest.mark.parametrize(
    ("method", "pictured", "arguments"),
    [
        ("get_clip_image_embeddings", True, {}),
        ("get_clip_text_embeddings", False, {"text": "a moon"}),
        ("clip_compare", False, {"subject": "a", "subject_type": "text", "prompt": "b"}),
        ("get_perception_encoder_image_embeddings", True, {}),
        ("get_perception_encoder_text_embeddings", False, {"text": "a moon"}),
        ("ocr_image", True, {"model": "doctr"}),
        ("ocr_image", True, {"model": "easy_ocr"}),
        ("ocr_image", True, {"model": "trocr"}),
        ("ocr_image", True, {"model": "pp_ocr"}),
        ("sam2_segment_image", True, {}),
        ("sam3_concept_segment", True, {"prompts": [{"type": "text", "text": "moon"}]}),
        ("infer_from_yolo_world", True, {"class_names": ["moon"]}),
        ("depth_estimation", True, {}),
        ("infer_lmm", True, {"model_id": "lmm/1", "prompt": "what?"}),
        ("run_workflow", False, {"workspace_name": "w", "workflow_id": "f"}),
        ("run_workflow", False, {"specification": {"version": "1.0"}}),
        ("list_inference_pipelines", False, {}),
    ],
)
def test_what_is_not_served_says_so(
    client: sdk.Client, sample_path: str, method: str, pictured: bool, arguments: dict[str, Any]
) -> None:
    if pictured:
        arguments = {**arguments, "inference_input": sample_path}
    with pytest.raises(sdk.RaisedError) as caught:
        dataclasses.replace(client, key="any").call(method, **arguments)
    assert (caught.value.raised, caught.value.status) == ("HTTPCallErrorError", 501)
    assert "not served" in caught.value.message


def test_what_the_original_gave_up_is_gone(zoo_server: servers.Server) -> None:
    response = httpx.post(f"{zoo_server.url}/gaze/gaze_detection", json={}, timeout=30)
    assert response.status_code == 410
    assert response.json()["error_type"] == "FeatureDeprecatedError"
