"""What travels between the stages is little, and what arrives is checked."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from parallax.contract import errors, messages, spec, tasks
from parallax.models.families import heads
from tests.support import onnx_heads, run_heads

BOXES = onnx_heads.HEADS["yolov8"]
PROTOTYPES = onnx_heads.HEADS["yolov8-seg"]
QUERIES = onnx_heads.HEADS["rf-detr-seg"]
CLASSIFIER = onnx_heads.HEADS["classifier"]
SEMANTIC = onnx_heads.HEADS["deeplab-small"]
BOXED = [name for name, head in onnx_heads.HEADS.items() if head.task in tasks.BOXED]
DETECTED = run_heads.served(BOXES, fused=True)
SEGMENTED = run_heads.served(PROTOTYPES, fused=True)
QUERIED = run_heads.served(QUERIES, fused=True)
CLASSIFIED = run_heads.served(CLASSIFIER, fused=True)
PAINTED = run_heads.served(SEMANTIC, fused=True)


def rows(*scores: float, columns: int = 6) -> Any:
    found = np.zeros((len(scores), columns), dtype=np.float32)
    found[:, 4] = scores
    return found


def test_rows_below_the_threshold_stay_behind() -> None:
    (kept,) = heads.reduce(DETECTED, [rows(0.9, 0.4, 0.39)], messages.DetectionParams(0.4))
    assert kept[:, 4].tolist() == pytest.approx([0.9, 0.4])


def test_rows_whose_score_is_no_number_stay_behind() -> None:
    (kept,) = heads.reduce(DETECTED, [rows(np.nan, 0.5)], messages.DetectionParams(0.0))
    assert kept[:, 4].tolist() == [0.5]


def test_kept_rows_own_their_memory() -> None:
    batch = np.stack([rows(0.9, 0.8), rows(0.7, 0.6)])
    (kept,) = heads.reduce(DETECTED, [batch[1]], messages.DetectionParams(0.1))
    batch[:] = 0
    assert kept[:, 4].tolist() == pytest.approx([0.7, 0.6])
    assert kept.flags.c_contiguous


def test_prototypes_travel_with_the_rows_that_need_them() -> None:
    maps = np.zeros((8, 16, 16), np.float32)
    wanted = messages.SegmentationParams(0.5)
    kept, planes = heads.reduce(SEGMENTED, [rows(0.9, 0.1, columns=14), maps], wanted)
    assert (len(kept), planes.shape) == (1, (8, 16, 16))
    kept, planes = heads.reduce(SEGMENTED, [rows(0.4, 0.1, columns=14), maps], wanted)
    assert (len(kept), planes.shape) == (0, (0, 16, 16))
    assert heads.found(SEGMENTED, [kept, planes]).rows.shape == (0, 14)


def test_maps_of_queries_that_found_something_travel_and_rows_point_anew() -> None:
    maps = np.arange(20, dtype=np.float32)[:, None, None] * np.ones((1, 12, 12), np.float32)
    found = rows(0.9, 0.8, 0.7, 0.1, columns=7)
    found[:, 6] = (17, 3, 17, 5)
    kept, planes = heads.reduce(QUERIED, [found, maps], messages.SegmentationParams(0.5))
    assert planes[:, 0, 0].tolist() == [3, 17]
    assert planes[kept[:, 6].astype(int), 0, 0].tolist() == [17, 3, 17]
    maps[:], found[:] = -1, -1
    assert planes[:, 0, 0].tolist() == [3, 17]
    assert kept[:, 6].tolist() == [1, 0, 1]


def test_no_map_travels_when_nothing_was_found() -> None:
    maps = np.zeros((20, 12, 12), np.float32)
    wanted = messages.SegmentationParams(0.5)
    kept, planes = heads.reduce(QUERIED, [rows(0.1, columns=7), maps], wanted)
    assert (kept.shape, planes.shape) == ((0, 7), (0, 12, 12))


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (run_heads.renamed(DETECTED, fused=False), messages.DetectionParams()),
        (CLASSIFIED, messages.ClassificationParams()),
        (PAINTED, messages.SemanticParams()),
    ],
)
def test_other_outputs_travel_as_they_are(model: spec.ModelSpec, params: messages.Params) -> None:
    outputs: list[Any] = [np.zeros((6, 84), dtype=np.float32), np.ones(3)]
    reduced = heads.reduce(model, outputs, params)
    assert all(ours is theirs for ours, theirs in zip(reduced, outputs, strict=True))


@pytest.mark.parametrize("name", BOXED)
def test_reduced_outputs_are_read_like_all_of_them(name: str, tmp_path: Path) -> None:
    head = onnx_heads.HEADS[name]
    item = run_heads.run(head, tmp_path, onnx_heads.Recipe(head.outputs), 1).fused[0]
    model = run_heads.served(head, fused=True)
    whole = heads.found(model, item)
    few = heads.found(model, heads.reduce(model, item, messages.SegmentationParams(0.6)))
    expected = whole.rows[whole.rows[:, 4] >= 0.6]
    assert 0 < len(few.rows) == len(expected) < len(whole.rows)
    assert (few.rows[:, :6] == expected[:, :6]).all()
    if few.maps is not None and whole.maps is not None and not model.layout.coefficients:
        ours, theirs = few.rows[:, 6].astype(int), expected[:, 6].astype(int)
        assert (few.maps[ours] == whole.maps[theirs]).all()


def test_the_order_of_a_plain_graphs_outputs_is_found_anew() -> None:
    head = onnx_heads.HEADS["rf-detr-seg-swapped"]
    model = run_heads.served(head, fused=False)
    assert model.layout.order == (2, 1, 0)
    shares, logits = np.full((20, 4), 0.5), np.zeros((20, 3))
    found = heads.found(model, [shares, logits, np.zeros((20, 12, 12))])
    assert found.rows[0].tolist() == [32, 32, 32, 32, 0.5, 0, 0]
    assert found.maps is not None


def test_shapes_that_are_first_known_when_the_graph_runs() -> None:
    model = run_heads.renamed(run_heads.served(BOXES, fused=False), layout=spec.Layout(classes=3))
    assert heads.found(model, [np.zeros((7, 84), np.float16)]).rows.shape == (84, 6)
    with pytest.raises(errors.ModelFailedError):
        heads.found(model, [np.zeros((8, 84), np.float32)])


@pytest.mark.parametrize(
    ("model", "read", "outputs"),
    [
        (DETECTED, heads.found, [np.zeros((3, 7))]),
        (DETECTED, heads.found, [np.zeros(6)]),
        (DETECTED, heads.found, []),
        (DETECTED, heads.found, [np.zeros((3, 6)), np.zeros((3, 6))]),
        (SEGMENTED, heads.found, [np.zeros((3, 14)), np.zeros((8, 16))]),
        (SEGMENTED, heads.found, [np.zeros((3, 14))]),
        (CLASSIFIED, heads.scores, [np.zeros(5)]),
        (CLASSIFIED, heads.scores, [np.zeros((6, 1))]),
        (CLASSIFIED, heads.scores, []),
        (PAINTED, heads.pixels, [np.zeros((64, 64))]),
        (PAINTED, heads.pixels, [np.zeros((64, 64)), np.zeros((64, 63))]),
        (run_heads.renamed(DETECTED, fused=False), heads.scores, [np.zeros((7, 84))]),
        (run_heads.renamed(DETECTED, fused=False), heads.pixels, [np.zeros((7, 84))]),
        (run_heads.renamed(CLASSIFIED, fused=False), heads.found, [np.zeros(6)]),
        (run_heads.renamed(DETECTED, fused=False), heads.found, [np.zeros((8, 84))]),
    ],
)
def test_outputs_of_other_shapes_are_the_models_fault(
    model: spec.ModelSpec, read: Callable[..., Any], outputs: list[Any]
) -> None:
    with pytest.raises(errors.ModelFailedError, match=f"no {model.family} head for {model.task}"):
        read(model, outputs)


def test_the_message_names_what_came() -> None:
    with pytest.raises(errors.ModelFailedError) as caught:
        heads.found(DETECTED, [np.zeros((3, 7))])
    assert caught.value.message == (
        "m returned (3, 7), which is no yolov8 head for object-detection"
    )


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


def read(model: spec.ModelSpec, outputs: list[Any]) -> None:
    """Read outputs in the way of the model's task; the shapes of the results are checked."""
    if model.task == tasks.CLASSIFICATION:
        assert heads.scores(model, outputs).shape == (len(model.labels),)
    elif model.task == tasks.SEMANTIC_SEGMENTATION:
        classes, confidence = heads.pixels(model, outputs)
        assert classes.shape == confidence.shape == (64, 64)
    else:
        found = heads.found(model, outputs)
        assert found.rows.ndim == 2
        assert found.rows.shape[1] >= 6
        assert found.maps is None or found.maps.ndim == 3


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", onnx_heads.HEADS)
@settings(max_examples=30)
@given(st.data())
def test_hostile_shapes(name: str, fused: bool, data: st.DataObject) -> None:
    """Axes of the expected outputs are changed, dropped and added."""
    head = onnx_heads.HEADS[name]
    outputs = []
    for output in head.outputs:
        shape = list(output.shape)
        if data.draw(st.booleans()):
            sides = st.sampled_from([0, 1, 4, 6, *shape])
            shape = data.draw(st.lists(sides, max_size=len(shape) + 1))
        outputs.append(np.zeros(shape, data.draw(st.sampled_from([np.float32, np.float16]))))
    outputs = data.draw(st.permutations(outputs))[: data.draw(st.integers(0, len(outputs)))]
    with contextlib.suppress(errors.ModelFailedError):
        read(run_heads.served(head, fused=fused), outputs)


@pytest.mark.parametrize("name", onnx_heads.HEADS)
@settings(max_examples=10)
@given(st.data())
def test_hostile_numbers(name: str, data: st.DataObject) -> None:
    head = onnx_heads.HEADS[name]
    model = run_heads.served(head, fused=False)
    outputs = [
        data.draw(arrays_of.arrays(np.float32, output.shape, elements=FLOATS, fill=FLOATS))
        for output in head.outputs
    ]
    read(model, [outputs[index] for index in model.layout.order])


@given(st.data())
def test_hostile_rows_are_reduced(data: st.DataObject) -> None:
    found = data.draw(arrays_of.arrays(np.float32, (9, 7), elements=FLOATS))
    found[:, 6] = np.arange(9)
    reduced = heads.reduce(
        QUERIED, [found, np.zeros((20, 2, 2), np.float32)], messages.SegmentationParams(0.3)
    )
    assert len(heads.found(QUERIED, reduced).rows) == len(reduced[1])


@pytest.mark.parametrize("name", BOXED)
def test_columns_beyond_score_and_class(name: str) -> None:
    head = onnx_heads.HEADS[name]
    outputs = [np.zeros(output.shape, np.float32) for output in head.outputs]
    model = run_heads.served(head, fused=False)
    found = heads.found(model, [outputs[index] for index in model.layout.order])
    assert found.rows.shape[1] == 6 + heads.extras(model.layout)


def test_bytes_of_large_outputs() -> None:
    layout = spec.Layout(anchors=8400, coefficients=32, map_size=(160, 160))
    segments = tasks.INSTANCE_SEGMENTATION
    assert heads.fused_bytes(segments, layout, (640, 640)) == 32 * 160 * 160 * 4
    queries = spec.Layout(anchors=200, map_size=(108, 108))
    assert heads.fused_bytes(segments, queries, (432, 432)) == 200 * 108 * 108 * 4
    assert heads.fused_bytes(tasks.SEMANTIC_SEGMENTATION, spec.Layout(), (512, 256)) == 512 * 256
    assert heads.fused_bytes(tasks.OBJECT_DETECTION, spec.Layout(anchors=8400), (640, 640)) == 0
