"""One answer for each task, drawn where that is asked, whatever the network returns."""

import base64
import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from parallax.contract import errors, messages, spec, tasks
from parallax.models.families import heads, registry
from parallax.stages.post import respond
from tests.stages.post import scenes
from tests.support import pictures

SMALL = messages.Geometry(64, 48, 0.5, 0.5, 0.0, 4.0)
INPUT = spec.InputSpec(32, 32)


def model(task: str, **changes: Any) -> spec.ModelSpec:
    return msgspec.structs.replace(scenes.DETECTOR, task=task, input=INPUT, **changes)


DETECTOR = model(tasks.OBJECT_DETECTION)
SEGMENTER = model(tasks.INSTANCE_SEGMENTATION, layout=spec.Layout(coefficients=2, map_size=(8, 8)))
QUERIES = model(
    tasks.INSTANCE_SEGMENTATION, layout=spec.Layout(anchors=3, map_size=(8, 8)), suppress=False
)
POSER = model(
    tasks.KEYPOINT_DETECTION,
    layout=spec.Layout(keypoints=2),
    skeletons=(spec.Skeleton(("a", "b"), ((0, 1),)),),
)
CLASSIFIER = model(tasks.CLASSIFICATION)
LABELLER = model(tasks.CLASSIFICATION, multi_label=True)
SCENE = model(tasks.SEMANTIC_SEGMENTATION)

BOX = (16.0, 16.0, 20.0, 16.0, 0.9, 1.0)
"""In the picture: x from 12 to 52, y from 8 to 40."""
FOUND: dict[str, tuple[spec.ModelSpec, type[messages.Params], list[NDArray[Any]]]] = {
    "boxes": (DETECTOR, messages.DetectionParams, [scenes.rows(BOX)]),
    "masks": (
        SEGMENTER,
        messages.SegmentationParams,
        [scenes.rows((*BOX, 1.0, 1.0), columns=8), np.ones((2, 8, 8), np.float32)],
    ),
    "points": (
        POSER,
        messages.KeypointParams,
        [scenes.rows((*BOX, 10.0, 16.0, 0.9, 22.0, 16.0, 0.9), columns=12)],
    ),
    "classes": (
        CLASSIFIER,
        messages.ClassificationParams,
        [np.array([0.1, 0.8, 0.1], np.float32)],
    ),
    "pixels": (
        SCENE,
        messages.SemanticParams,
        [np.full((32, 32), 1, np.uint8), np.full((32, 32), 255, np.uint8)],
    ),
}


def original(kind: str = "PNG", **options: Any) -> respond.Original:
    image = Image.new("RGB", (64, 48), (100, 100, 100))
    return respond.Original(pictures.encoded(image, kind, **options), True, 10_000)


def drawn(name: str, drawing: messages.Drawing) -> bytes:
    wanted, params, outputs = FOUND[name]
    return respond.respond(outputs, wanted, params(drawing=drawing), SMALL, original())


def pixels(jpeg: bytes) -> NDArray[np.int16]:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", (64, 48))
        return np.asarray(image.convert("RGB")).astype(np.int16)


# --- shapes of answers ---------------------------------------------------------------------------

FIELDS = {"classes": {"top", "confidence"}}


@pytest.mark.parametrize("name", FOUND)
def test_an_answer_has_the_fields_of_its_task_and_no_others(name: str) -> None:
    wanted, params, outputs = FOUND[name]
    answered = scenes.answer(outputs, wanted, params(), SMALL)
    assert set(answered) == {"image", "predictions"} | FIELDS.get(name, set())
    assert answered["image"] == {"width": 64, "height": 48}


def test_boxes_alone_can_be_had_of_a_model_that_also_makes_masks() -> None:
    outputs = FOUND["masks"][2]
    answered = scenes.answer(outputs, SEGMENTER, messages.DetectionParams(), SMALL)
    assert "points" not in answered["predictions"][0]


@pytest.mark.parametrize(
    ("wanted", "params"),
    [
        (DETECTOR, messages.ClassificationParams()),
        (DETECTOR, messages.SemanticParams()),
        (DETECTOR, messages.SegmentationParams()),
        (CLASSIFIER, messages.DetectionParams()),
        (SCENE, messages.KeypointParams()),
    ],
)
def test_an_answer_of_another_task_cannot_be_had(
    wanted: spec.ModelSpec, params: messages.Params
) -> None:
    (outputs,) = (found for of, _, found in FOUND.values() if of is wanted)
    with pytest.raises(errors.ModelFailedError):
        respond.respond(outputs, wanted, params, SMALL)


# --- drawing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_drawn_beside_the_answer(name: str) -> None:
    answered = json.loads(drawn(name, messages.Drawing()))
    seen = pixels(base64.b64decode(answered["visualization"]))
    assert abs(seen - 100).max() > 25
    assert "predictions" in answered


@pytest.mark.parametrize("name", FOUND)
def test_the_drawn_picture_can_be_the_whole_answer(name: str) -> None:
    assert abs(pixels(drawn(name, messages.Drawing(alone=True))) - 100).max() > 25


def test_a_box_is_drawn_where_it_was_found() -> None:
    changed = abs(pixels(drawn("boxes", messages.Drawing(alone=True))) - 100).max(axis=2) > 25
    assert changed[24, 12]
    assert changed[24, 52]
    assert not changed[20:28, 24:40].any()
    assert not changed[24, :8].any()


def test_a_mask_fills_its_box() -> None:
    changed = abs(pixels(drawn("masks", messages.Drawing(alone=True))) - 100).max(axis=2) > 15
    assert changed[20:28, 24:40].all()
    assert not changed[24, :8].any()


def test_labels_are_drawn_only_when_asked_for() -> None:
    plain, labelled = (
        pixels(drawn("boxes", messages.Drawing(labels=labels, alone=True)))
        for labels in (False, True)
    )
    assert abs(plain - labelled).max() > 25


def test_the_picture_is_drawn_as_it_was_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (48, 64), (100, 100, 100))
    picture = respond.Original(pictures.encoded(image, "JPEG", exif=exif), True, 10_000)
    wanted, params, outputs = FOUND["boxes"]
    drawing = messages.Drawing(alone=True)
    jpeg = respond.respond(outputs, wanted, params(drawing=drawing), SMALL, picture)
    assert pixels(jpeg).shape == (48, 64, 3)


def test_a_picture_that_cannot_be_decoded_is_not_drawn() -> None:
    broken = respond.Original(b"\x89PNG\r\n\x1a\n", True, 10_000)
    wanted, params, outputs = FOUND["boxes"]
    with pytest.raises(errors.BadImageError):
        respond.respond(outputs, wanted, params(drawing=messages.Drawing()), SMALL, broken)


# --- whatever the network returns ----------------------------------------------------------------

WANTED: tuple[messages.Params, ...] = (
    messages.DetectionParams(),
    messages.DetectionParams(confidence=-1.0, class_agnostic_nms=True),
    messages.DetectionParams(class_confidence=(0.1, 0.2, 0.3)),
    messages.SegmentationParams(confidence=0.0),
    messages.SegmentationParams(confidence=0.0, mask_format="rle", mask_detail=0.3),
    messages.KeypointParams(confidence=0.0),
    messages.ClassificationParams(),
    messages.SemanticParams(),
)
FITTING: dict[str, tuple[tuple[int, ...], ...]] = {
    "boxes": ((5, 6),),
    "masks": ((5, 8), (2, 8, 8)),
    "points": ((5, 12),),
    "classes": ((3,),),
    "pixels": ((32, 32), (32, 32)),
}
NUMBERS = st.floats(width=32) | st.floats(0, 32, width=32) | st.sampled_from([0.0, 1.0, 2.0])
ANY = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    elements=NUMBERS,
    fill=NUMBERS,
)


def check(outputs: list[NDArray[Any]], wanted: spec.ModelSpec, params: messages.Params) -> None:
    """Answer, with a drawing; the answer is JSON without constants that JSON does not have."""
    try:
        params = msgspec.structs.replace(params, drawing=messages.Drawing(labels=True))
        text = respond.respond(outputs, wanted, params, SMALL, original())
    except errors.ModelFailedError:
        return
    answered = json.loads(text, parse_constant=pytest.fail)
    assert "null" not in str(answered["predictions"])
    assert b"null" not in text


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
@pytest.mark.parametrize("name", FOUND)
def test_hostile_values_become_an_answer_or_the_models_failure(
    name: str, data: st.DataObject
) -> None:
    wanted, kind, _ = FOUND[name]
    outputs = [
        data.draw(arrays.arrays(np.float32, shape, elements=NUMBERS, fill=NUMBERS))
        for shape in FITTING[name]
    ]
    if name == "pixels":
        with np.errstate(all="ignore"):
            outputs = [np.nan_to_num(each).astype(np.int64).astype(np.uint8) for each in outputs]
    models = {"masks": (SEGMENTER,), "classes": (CLASSIFIER, LABELLER)}.get(name, (wanted,))
    params = data.draw(st.sampled_from([each for each in WANTED if type(each) is kind]))
    for each in models:
        check(outputs, each, params)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(arrays.arrays(np.float32, (5, 7), elements=NUMBERS), ANY)
def test_hostile_maps_become_an_answer_or_the_models_failure(
    rows: NDArray[np.float32], maps: NDArray[np.float32]
) -> None:
    check([rows, maps], QUERIES, messages.SegmentationParams(confidence=0.0))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY, max_size=3), st.sampled_from(WANTED), st.sampled_from(registry.FAMILIES))
def test_outputs_of_any_shape_become_an_answer_or_the_models_failure(
    outputs: list[NDArray[np.float32]], params: messages.Params, family: Any
) -> None:
    for task in tasks.ALL:
        fused = model(task, layout=spec.Layout(coefficients=2, map_size=(8, 8)))
        check(outputs, fused, params)
    plain = spec.PlainInput()
    check(
        outputs,
        model(family.task, family=family.name, fused=False, plain=plain),
        params,
    )


@pytest.mark.parametrize("name", FOUND)
def test_what_the_loop_cut_down_is_answered_alike(name: str) -> None:
    wanted, kind, outputs = FOUND[name]
    reduced = list(heads.reduce(wanted, [each.copy() for each in outputs], kind()))
    answers = [scenes.answer(each, wanted, kind(), SMALL) for each in (outputs, reduced)]
    for answered in answers:
        for prediction in answered["predictions"]:
            if isinstance(prediction, dict):
                prediction.pop("detection_id", None)
    assert answers[0] == answers[1]


def test_an_answer_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respond, "MAX_BYTES", 10)
    outputs = [np.zeros((0, 6), np.float32)]
    with pytest.raises(errors.AnswerTooLargeError, match="of at most 10"):
        respond.respond(outputs, DETECTOR, messages.DetectionParams(), SMALL)
