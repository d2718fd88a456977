"""Queries with logits: each pair of query and class is a row, and rows share a query's mask."""

import math

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, rf_detr
from tests.support import run_heads

SIZE = (560, 280)
DETECT, SEGMENT = rf_detr.RfDetr(), rf_detr.RfDetrSegment()
MASKS: base.Shape = (1, 200, 108, 96)


@pytest.mark.parametrize(
    ("outputs", "known", "expected"),
    [
        ([(1, 300, 4), (1, 300, 91)], 0, (91, (0, 1))),
        ([(None, 300, 91), (None, 300, 4)], 91, (91, (1, 0))),
        ([(1, 300, 4), (1, 300, 4)], 4, (4, (0, 1))),
        ([(1, 300, 4), (1, 300, 91)], 90, None),
        # As many rows as there are cells: 70 x 35 + 35 x 17 + 17 x 8.
        ([(1, 3181, 4), (1, 3181, 80)], 0, None),
        ([(1, 200, 4), (1, 200, 91), MASKS], 0, None),
        ([(1, 300, 95)], 0, None),
        ([], 0, None),
    ],
)
def test_detection(
    outputs: list[base.Shape], known: int, expected: tuple[int, tuple[int, int]] | None
) -> None:
    layout = DETECT.recognise(outputs, SIZE, spec.Layout(classes=known))
    assert (layout and (layout.classes, layout.order)) == expected


@pytest.mark.parametrize(
    ("outputs", "order"),
    [
        ([(1, 200, 4), (1, 200, 91), MASKS], (0, 1, 2)),
        ([(1, 200, 91), MASKS, (1, 200, 4)], (2, 0, 1)),
        ([MASKS, (1, 200, 4), (1, 200, 4)], (1, 2, 0)),
        ([(1, 199, 4), (1, 199, 91), MASKS], None),
        ([(1, 200, 4), (1, 200, 91)], None),
        ([(1, 200, 4), (1, 200, 91), MASKS, (1, 200, 7)], None),
    ],
)
def test_segmentation(outputs: list[base.Shape], order: tuple[int, ...] | None) -> None:
    layout = SEGMENT.recognise(outputs, SIZE, spec.Layout())
    assert (layout.order if layout else None) == order
    assert layout is None or (layout.map_size, layout.coefficients) == ((108, 96), 0)


@pytest.mark.parametrize(("classes", "swapped"), [(3, False), (3, True), (4, False)])
def test_each_query_and_class_is_a_row(classes: int, swapped: bool) -> None:
    random = np.random.default_rng(0)
    shares = random.random((2, 20, 4), np.float32)
    logits = random.normal(0, 3, (2, 20, classes)).astype(np.float32)
    outputs = [logits, shares] if swapped else [shares, logits]
    found = run_heads.table(run_heads.decode(DETECT, outputs, SIZE))
    assert len(found) == 20 * classes
    for query in range(20):
        x, y, width, height = shares[0, query].tolist()
        box = [x * 560, y * 280, width * 560, height * 280]
        for label in range(classes):
            score = 1 / (1 + math.exp(-logits[0, query, label]))
            row = found[query * classes + label].tolist()
            assert row == pytest.approx([*box, score, label], rel=1e-5)


def test_rows_point_at_the_mask_of_their_query() -> None:
    random = np.random.default_rng(0)
    shares, logits = random.random((2, 20, 4)), random.normal(0, 3, (2, 20, 3))
    masks = random.normal(0, 1, (2, 20, 12, 10)).astype(np.float32)
    found = run_heads.decode(SEGMENT, [shares, masks, logits], SIZE)
    assert isinstance(found, base.Rows)
    assert found.maps is not None
    assert np.array_equal(found.maps, masks)
    for row in range(60):
        assert run_heads.table(found)[row, 5:].tolist() == [row % 3, row // 3]
