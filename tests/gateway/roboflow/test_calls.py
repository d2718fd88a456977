"""What the request classes make of a request, without a server."""

from typing import Any

import msgspec
import orjson
import pytest

from parallax.contract import messages, spec
from parallax.gateway import problems
from parallax.gateway.roboflow import calls, kinds, parsing
from tests.gateway import support

STORED = spec.Thresholds(default=0.5, best=0.3, best_by_class=(0.2, 0.7))
IMAGE = {"type": "base64", "value": "AAAA"}


def parse(kind: type[calls.Call], **fields: Any) -> calls.Call:
    body = orjson.dumps({"model_id": "m", "image": IMAGE} | fields)
    return parsing.parse(msgspec.json.Decoder(kind, strict=False), body)


def params(
    kind: type[calls.Call], known: spec.Thresholds = STORED, /, **fields: Any
) -> messages.Params:
    return parse(kind, **fields).params(support.model(thresholds=known))


def refused(kind: type[calls.Call], **fields: Any) -> tuple[str | int, ...]:
    with pytest.raises(problems.InvalidBodyError) as caught:
        parse(kind, **fields)
    return caught.value.location


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (calls.DetectionCall, messages.DetectionParams()),
        (calls.SegmentationCall, messages.SegmentationParams()),
        (calls.KeypointCall, messages.KeypointParams()),
        (calls.ClassificationCall, messages.ClassificationParams()),
        (calls.SemanticCall, messages.SemanticParams()),
    ],
)
def test_defaults_are_those_of_the_original(
    kind: type[calls.Call], expected: messages.Params
) -> None:
    assert params(kind) == expected


def test_null_means_the_default() -> None:
    nulls = dict.fromkeys(
        name
        for name in calls.SegmentationCall.__struct_fields__
        if name not in {"model_id", "image", "id", "confidence", "response_mask_format"}
    )

    assert params(calls.SegmentationCall, **nulls) == messages.SegmentationParams()
    assert parse(calls.SegmentationCall, **nulls).options() == messages.ImageOptions()


@pytest.mark.parametrize("kind", [kind.call for kind in kinds.ALL])
def test_what_means_nothing_here_is_not_even_looked_at(kind: type[calls.Call]) -> None:
    ignored = ("api_key", "source", "max_candidates", "usage_billable", "fix_batch_size", "start")

    assert params(kind, **{name: {"odd": [1]} for name in ignored}) == params(kind)


@pytest.mark.parametrize(
    ("word", "known", "least", "by_class"),
    [
        ("default", STORED, 0.5, None),
        ("best", STORED, 0.2, (0.2, 0.7)),
        ("best", spec.Thresholds(best=0.3), 0.3, None),
        ("best", spec.Thresholds(default=0.6), 0.6, None),
    ],
)
def test_a_word_for_the_confidence_is_looked_up_in_the_model(
    word: str, known: spec.Thresholds, least: float, by_class: tuple[float, ...] | None
) -> None:
    found = params(calls.DetectionCall, known, confidence=word)

    assert isinstance(found, messages.DetectionParams)
    assert (found.confidence, found.class_confidence) == (least, by_class)


def test_tasks_without_thresholds_by_class_take_the_one_for_all() -> None:
    assert params(calls.ClassificationCall, confidence="best").confidence == 0.3
    assert params(calls.SemanticCall, confidence="default").confidence == 0.5


def test_keypoints_do_not_know_best() -> None:
    assert refused(calls.KeypointCall, confidence="best") == ("body", "confidence")


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"mask_decode_mode": "accurate", "tradeoff_factor": 0.3}, 1.0),
        ({"mask_decode_mode": "fast"}, 0.0),
        ({"mask_decode_mode": "tradeoff"}, 0.0),
        ({"mask_decode_mode": "tradeoff", "tradeoff_factor": "0.3"}, 0.3),
    ],
)
def test_mask_decode_mode_is_a_degree_of_detail(fields: dict[str, Any], detail: float) -> None:
    found = params(calls.SegmentationCall, response_mask_format="rle", **fields)

    assert isinstance(found, messages.SegmentationParams)
    assert (found.mask_format, found.mask_detail) == ("rle", detail)


@pytest.mark.parametrize(
    "fields",
    [{"mask_decode_mode": "best"}, {"tradeoff_factor": 1.01}, {"tradeoff_factor": "nan"}],
)
def test_a_mask_argument_that_does_not_exist_is_a_bad_request(fields: dict[str, Any]) -> None:
    call = parse(calls.SegmentationCall, **fields)

    with pytest.raises(problems.BadRequestError, match=next(iter(fields))):
        call.params(support.model())


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (calls.SegmentationCall, "response_mask_format", "png"),
        (calls.SegmentationCall, "response_mask_format", None),
        (calls.SemanticCall, "response_mask_format", "polygon"),
        (calls.KeypointCall, "keypoint_confidence", "nan"),
        (calls.ClassificationCall, "visualization_stroke_width", 0),
        (calls.DetectionCall, "visualization_stroke_width", 101),
    ],
)
def test_a_value_outside_of_the_schema_is_named(
    kind: type[calls.Call], field: str, value: object
) -> None:
    assert refused(kind, **{field: value}) == ("body", field)


def test_semantic_masks_are_pngs_whatever_is_asked_for() -> None:
    assert params(calls.SemanticCall, response_mask_format="numpy") == messages.SemanticParams()


def test_drawing_is_asked_for_by_one_field_and_described_by_two() -> None:
    how = {"visualization_labels": True, "visualization_stroke_width": 4}

    assert params(calls.DetectionCall, **how).drawing is None
    drawn = params(calls.DetectionCall, visualize_predictions=True, **how)
    assert drawn.drawing == messages.Drawing(labels=True, stroke=4)
    drawn = params(calls.ClassificationCall, visualize_predictions=True, **how)
    assert drawn.drawing == messages.Drawing(labels=False, stroke=4)


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("disable_preproc_auto_orient", "auto_orient"),
        ("disable_preproc_static_crop", "static_crop"),
        ("disable_preproc_grayscale", "grayscale"),
        ("disable_preproc_contrast", "contrast"),
    ],
)
def test_each_step_can_be_left_out(field: str, option: str) -> None:
    options = parse(calls.SemanticCall, **{field: True}).options()

    assert options == messages.ImageOptions(**{option: False})
